"""The Flight SQL door as Python's ADBC driver uses it.

Environment: FLIGHT and HTTP (the doors' addresses), and ALL, SOME, NONE (tokens of users who see all of `lab.types`, a
part of it, and nothing). Ends with 0 when everything holds.
"""

import json
import os
import threading
import time
import urllib.request

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql import dbapi

EVERYTHING = "SELECT * FROM lab.types ORDER BY id"


def connect(token):
    header = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    return dbapi.connect(os.environ["FLIGHT"].replace("http://", "grpc://"), db_kwargs=header)


def over_http(token, sql):
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept": "application/vnd.apache.arrow.stream",
    }
    body = json.dumps({"sql": sql}).encode()
    with urllib.request.urlopen(urllib.request.Request(os.environ["HTTP"] + "/v1/sql", body, headers)) as answer:
        return pa.ipc.open_stream(answer.read()).read_all()


def rows(token, sql, parameters=None):
    with connect(token) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def fault(token, sql):
    try:
        rows(token, sql)
    except adbc_driver_manager.Error as error:
        return str(error)
    raise AssertionError(f"answered: {sql}")


def every_type_is_the_same_as_over_http():
    for who in ("ALL", "SOME"):
        token = os.environ[who]
        here, there = rows(token, EVERYTHING), over_http(token, EVERYTHING)
        assert here.column_names == there.column_names
        for name in here.column_names:
            # As text: one NaN is not another.
            assert str(here[name].to_pylist()) == str(there[name].to_pylist()), name
    assert len(rows(os.environ["SOME"], EVERYTHING)) < len(rows(os.environ["ALL"], EVERYTHING))


def parameters_are_values():
    assert rows(os.environ["ALL"], "SELECT id FROM lab.types WHERE id = ?", (1,))["id"].to_pylist() == [1]
    hostile = "' OR 1 = 1 --"
    assert rows(os.environ["ALL"], "SELECT id FROM lab.types WHERE word = ?", (hostile,)).num_rows == 0
    assert rows(os.environ["ALL"], "SELECT ? AS v", ("é😀",))["v"].to_pylist() == ["é😀"]


def listings_have_what_is_visible():
    def names(token):
        with connect(token) as connection:
            objects = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
            return {
                f"{schema['db_schema_name']}.{table['table_name']}": [it["column_name"] for it in table["table_columns"]]
                for catalog in objects
                for schema in catalog["catalog_db_schemas"] or []
                for table in schema["db_schema_tables"] or []
            }

    everything, some, nothing = names(os.environ["ALL"]), names(os.environ["SOME"]), names(os.environ["NONE"])
    assert list(everything) == ["lab.types"] == list(some), (everything, some)
    assert set(everything["lab.types"]) - set(some["lab.types"]) == {"money"}
    assert nothing == {}, nothing
    with connect(os.environ["SOME"]) as connection:
        assert "money" not in connection.adbc_get_table_schema("types", db_schema_filter="lab").names
        assert connection.adbc_get_table_types() == ["BASE TABLE", "VIEW"]
        assert connection.adbc_get_info()["vendor_name"] == "lakegate"


def refusals_say_why():
    assert "table not found: `lab.types`" in fault(os.environ["NONE"], EVERYTHING)
    assert "table not found: `lab.nothing`" in fault(os.environ["NONE"], "SELECT * FROM lab.nothing")
    assert "money" in fault(os.environ["SOME"], "SELECT money FROM lab.types")
    assert "is not allowed here" in fault(os.environ["ALL"], "DROP TABLE lab.types")
    for token in ("", "x", os.environ["ALL"] + "x"):
        fault(token, "SELECT 1")


def a_large_result_streams():
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT value, md5(CAST(value AS VARCHAR)) AS text FROM generate_series(1, 3000000)")
        count = 0
        for batch in cursor.fetch_record_batch():
            count += batch.num_rows
    assert count == 3_000_000, count


def a_query_can_be_cancelled():
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT value FROM generate_series(1, 1000000000000)")
        batches = cursor.fetch_record_batch()
        next(batches)
        start = time.monotonic()
        threading.Timer(1, cursor.adbc_cancel).start()
        try:
            for _ in batches:
                assert time.monotonic() - start < 60, "never cancelled"
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            return
        raise AssertionError("what was cut off looked whole")


for test in (
    every_type_is_the_same_as_over_http,
    parameters_are_values,
    listings_have_what_is_visible,
    refusals_say_why,
    a_large_result_streams,
    a_query_can_be_cancelled,
):
    test()
    print(test.__name__, "ok", flush=True)
