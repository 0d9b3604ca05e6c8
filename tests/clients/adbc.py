"""The client library's own ADBC driver, as Python's driver manager loads it.

Environment: DRIVER (the path of the shared library), HTTP (the gateway's address), and ALL, SOME, NONE (tokens of users who
see all of `lab.types`, a part of it, and nothing). Ends with 0 when everything holds.
"""

import datetime
import decimal
import json
import os
import threading
import time
import urllib.request

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_manager import dbapi

EVERYTHING = "SELECT * FROM lab.types ORDER BY id"
POLICY = "lakegate.policy"


def connect(token, **options):
    address = os.environ["HTTP"].replace("http://", "lakegate://")
    return dbapi.connect(
        driver=os.environ["DRIVER"],
        uri=address,
        db_kwargs={"password": token},
        conn_kwargs=options,
        autocommit=True,
    )


def over_http(token, sql):
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept": "application/vnd.apache.arrow.stream",
    }
    body = json.dumps({"sql": sql}).encode()
    with urllib.request.urlopen(urllib.request.Request(os.environ["HTTP"] + "/v1/sql", body, headers)) as answer:
        return pa.ipc.open_stream(answer.read()).read_all()


def rows(token, sql, parameters=None, **options):
    with connect(token, **options) as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetch_arrow_table()


def one(sql, parameters=None):
    """The one value of a result, to whom everything is visible."""
    return rows(os.environ["ALL"], sql, parameters).column(0).to_pylist()[0]


def fault(token, sql, **options):
    try:
        rows(token, sql, **options)
    except adbc_driver_manager.Error as error:
        return error
    raise AssertionError(f"answered: {sql}")


def every_type_is_the_same_as_over_http():
    for who in ("ALL", "SOME"):
        token = os.environ[who]
        here, there = rows(token, EVERYTHING), over_http(token, EVERYTHING)
        assert here.schema.equals(there.schema), (here.schema, there.schema)
        for name in here.column_names:
            # As text: one NaN is not another.
            assert str(here[name].to_pylist()) == str(there[name].to_pylist()), name
    some, everything = rows(os.environ["SOME"], EVERYTHING), rows(os.environ["ALL"], EVERYTHING)
    assert len(some) < len(everything)
    assert set(everything.column_names) - set(some.column_names) == {"money"}


def the_policy_notice_comes_with_every_result():
    with connect(os.environ["SOME"]) as connection, connection.cursor() as cursor:
        cursor.execute(EVERYTHING)
        table = cursor.fetch_arrow_table()
        notice = json.loads(cursor.adbc_statement.get_option(POLICY))
        assert notice["rows_filtered"] and notice["columns_hidden"], notice
        assert json.loads(table.schema.metadata[POLICY.encode()]) == notice
        query_id = cursor.adbc_statement.get_option("lakegate.query_id")
        assert table.schema.metadata[b"lakegate.query_id"].decode() == query_id
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        cursor.execute(EVERYTHING)
        notice = json.loads(cursor.adbc_statement.get_option(POLICY))
        assert not notice["rows_filtered"] and not notice["columns_hidden"], notice


def options_narrow_and_refuse():
    assert len(rows(os.environ["ALL"], EVERYTHING, **{"lakegate.max_rows": "2"})) == 2
    withheld = fault(os.environ["SOME"], EVERYTHING, **{"lakegate.strict": "true"})
    assert withheld.sqlstate == "42501" and "policy_withheld" in str(withheld), withheld
    assert len(rows(os.environ["ALL"], EVERYTHING, **{"lakegate.strict": "true"})) == 3
    endless = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b"
    late = fault(os.environ["ALL"], endless, **{"lakegate.timeout": "0.5"})
    assert late.status_code == adbc_driver_manager.AdbcStatusCode.TIMEOUT, late
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        try:
            cursor.adbc_statement.set_options(**{"lakegate.strcit": "true"})
        except adbc_driver_manager.NotSupportedError:
            return
        raise AssertionError("there is no such option")


def parameters_are_values():
    token = os.environ["ALL"]
    assert rows(token, "SELECT id FROM lab.types WHERE id = ?", (1,))["id"].to_pylist() == [1]
    hostile = "' OR 1 = 1 --"
    assert rows(token, "SELECT id FROM lab.types WHERE word = ?", (hostile,)).num_rows == 0
    assert one("SELECT ? AS v", ("é😀",)) == "é😀"
    assert one("SELECT ? IS NULL AS v", (None,)) is True
    assert one("SELECT NOT ? AS v", (True,)) is False
    assert one("SELECT ? + 0.5 AS v", (1.5,)) == 2.0
    day, moment = datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4, 5, 123456)
    assert rows(token, "SELECT id FROM lab.types WHERE day = ?", (day,))["id"].to_pylist() == [1]
    assert rows(token, "SELECT id FROM lab.types WHERE moment = ?", (moment,))["id"].to_pylist() == [1]
    money = decimal.Decimal("123.45")
    assert rows(token, "SELECT id FROM lab.types WHERE money = ?", (money,))["id"].to_pylist() == [2]
    large = pa.record_batch({"n": pa.array([2**64 - 1], pa.uint64())})
    assert rows(token, "SELECT id FROM lab.types WHERE u64 = ?", large)["id"].to_pylist() == [2]


def a_statement_runs_for_each_row_of_parameters():
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM lab.types WHERE id >= ? ORDER BY id", pa.record_batch({"n": [3, 9, 2]}))
        assert cursor.fetch_arrow_table()["id"].to_pylist() == [3, 2, 3]
        cursor.executemany("SELECT id FROM lab.types WHERE id = ?", [(1,), (2,)])


def listings_have_what_is_visible():
    def objects(token, **filters):
        with connect(token) as connection:
            return connection.adbc_get_objects(**filters).read_all().to_pylist()

    def names(token, **filters):
        return {
            f"{schema['db_schema_name']}.{table['table_name']}": [it["column_name"] for it in table["table_columns"] or []]
            for catalog in objects(token, **filters)
            for schema in catalog["catalog_db_schemas"] or []
            for table in schema["db_schema_tables"] or []
        }

    everything, some, nothing = names(os.environ["ALL"]), names(os.environ["SOME"]), names(os.environ["NONE"])
    assert list(everything) == ["lab.types"] == list(some), (everything, some)
    assert set(everything["lab.types"]) - set(some["lab.types"]) == {"money"}
    assert nothing == {}, nothing
    token = os.environ["SOME"]
    assert objects(token, depth="catalogs") == [{"catalog_name": "lakegate", "catalog_db_schemas": None}]
    assert objects(token, depth="db_schemas")[0]["catalog_db_schemas"] == [
        {"db_schema_name": "lab", "db_schema_tables": None}
    ]
    assert names(token, depth="tables") == {"lab.types": []}
    assert names(token, catalog_filter="other") == {} == names(token, table_types_filter=["VIEW"])
    assert names(token, db_schema_filter="l_b", table_name_filter="typ%", column_name_filter="i_") == {
        "lab.types": ["id", "i8"]
    }
    assert names(token, table_name_filter="' OR 1 = 1 --") == {}
    [table] = objects(token)[0]["catalog_db_schemas"][0]["db_schema_tables"]
    columns = {column["column_name"]: column for column in table["table_columns"]}
    exact = columns["exact"]
    assert (exact["xdbc_type_name"], exact["xdbc_column_size"], exact["xdbc_decimal_digits"]) == ("decimal(38,10)", 38, 10)
    assert (columns["id"]["ordinal_position"], columns["id"]["xdbc_data_type"]) == (1, -5)
    assert columns["id"]["xdbc_is_nullable"] == "YES"


def schemas_are_known_without_rows():
    with connect(os.environ["SOME"]) as connection, connection.cursor() as cursor:
        assert "money" not in connection.adbc_get_table_schema("types", db_schema_filter="lab").names
        assert connection.adbc_get_table_types() == ["BASE TABLE", "VIEW"]
        about = connection.adbc_get_info()
        assert (about["vendor_name"], about["driver_name"]) == ("lakegate", "lakegate ADBC driver"), about
        schema = cursor.adbc_execute_schema("SELECT id, word FROM lab.types WHERE id > ?", (1,))
        assert schema.names == ["id", "word"], schema
        connection.adbc_current_db_schema = "lab"
        assert connection.adbc_current_db_schema == "lab" and connection.adbc_current_catalog == "lakegate"
        with connection.cursor() as within:
            within.execute("SELECT count(*) FROM types")
            assert within.fetchone() == (2,)
    try:
        with connect(os.environ["NONE"]) as connection:
            connection.adbc_get_table_schema("types", db_schema_filter="lab")
    except adbc_driver_manager.Error as error:
        assert error.sqlstate == "42P01", error
        return
    raise AssertionError("told what is not to be known")


def refusals_say_why():
    for who, sql, sqlstate, why in (
        ("NONE", EVERYTHING, "42P01", "table not found: `lab.types`"),
        ("NONE", "SELECT * FROM lab.nothing", "42P01", "table not found: `lab.nothing`"),
        ("SOME", "SELECT money FROM lab.types", "42703", "money"),
        ("ALL", "DROP TABLE lab.types", "0A000", "is not allowed here"),
        ("ALL", "SELEC 1", "42601", "syntax_error"),
        ("ALL", "SELECT 1 / (id - 1) FROM lab.types", "22000", "divide by zero"),
    ):
        error = fault(os.environ[who], sql)
        assert error.sqlstate == sqlstate and why in str(error), (sqlstate, error)
    for token in ("", "x", os.environ["ALL"] + "x"):
        error = fault(token, "SELECT 1")
        assert error.sqlstate == "28P01" and os.environ["ALL"] not in str(error), error
    for uri in ("", "postgresql://h", "lakegate://h?secret=t0p"):
        try:
            dbapi.connect(driver=os.environ["DRIVER"], db_kwargs={"uri": uri}, autocommit=True)
        except adbc_driver_manager.Error as error:
            assert "t0p" not in str(error)
        else:
            raise AssertionError(f"connected to {uri}")


def a_large_result_streams():
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT value, md5(CAST(value AS VARCHAR)) AS text FROM generate_series(1, 3000000)")
        count = 0
        for batch in cursor.fetch_record_batch():
            count += batch.num_rows
    assert count == 3_000_000, count


def a_query_can_be_cancelled():
    with connect(os.environ["ALL"]) as connection, connection.cursor() as cursor:
        # Twice: the handle of a statement is for all of its runs.
        for _ in range(2):
            cursor.execute("SELECT value FROM generate_series(1, 1000000000000)")
            batches = cursor.fetch_record_batch()
            next(batches)
            start = time.monotonic()
            threading.Timer(1, cursor.adbc_cancel).start()
            try:
                for _ in batches:
                    assert time.monotonic() - start < 60, "never cancelled"
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                assert "cancelled" in str(error), error
            else:
                raise AssertionError("what was cut off looked whole")
        threading.Timer(1, cursor.adbc_cancel).start()
        try:
            cursor.execute("SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b")
        except adbc_driver_manager.Error as error:
            assert error.status_code == adbc_driver_manager.AdbcStatusCode.CANCELLED, error
        else:
            raise AssertionError("never cancelled")
        cursor.execute("SELECT 1 AS one")
        assert cursor.fetchone() == (1,)


for test in (
    every_type_is_the_same_as_over_http,
    the_policy_notice_comes_with_every_result,
    options_narrow_and_refuse,
    parameters_are_values,
    a_statement_runs_for_each_row_of_parameters,
    listings_have_what_is_visible,
    schemas_are_known_without_rows,
    refusals_say_why,
    a_large_result_streams,
    a_query_can_be_cancelled,
):
    test()
    print(test.__name__, "ok", flush=True)
