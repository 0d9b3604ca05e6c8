"""The door of PostgreSQL's protocol as psycopg and SQLAlchemy use it.

Environment: PORT and HTTP (where the doors are), and ALL, SOME, NONE (tokens of users who see all of `lab.types`, a part
of it, and nothing). Ends with 0 when everything holds.
"""

import datetime
import decimal
import json
import os
import threading
import time
import urllib.request

import psycopg
import pyarrow as pa
import sqlalchemy

EVERYTHING = "SELECT * FROM lab.types ORDER BY id"


def connect(who, **options):
    return psycopg.connect(
        host="127.0.0.1", port=os.environ["PORT"], user=who.lower(), password=os.environ[who], dbname="lakegate", **options
    )


def over_http(who, sql):
    headers = {
        "authorization": f"Bearer {os.environ[who]}",
        "content-type": "application/json",
        "accept": "application/vnd.apache.arrow.stream",
    }
    body = json.dumps({"sql": sql}).encode()
    with urllib.request.urlopen(urllib.request.Request(os.environ["HTTP"] + "/v1/sql", body, headers)) as answer:
        return pa.ipc.open_stream(answer.read()).read_all().to_pylist()


def rows(who, sql, parameters=None, binary=False):
    with connect(who) as connection, connection.cursor(binary=binary) as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def fault(who, sql):
    try:
        rows(who, sql)
    except psycopg.Error as error:
        return error.sqlstate, error.diag.source_function, error.diag.message_primary
    raise AssertionError(f"answered: {sql}")


def plain(value):
    """Alike what is alike: one NaN and another, an instant in whatever zone, the number 18446744073709551615."""
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return int(value)
    return "NaN" if value != value else value


def every_type_is_the_same_as_over_http():
    for who in ("ALL", "SOME"):
        there = over_http(who, EVERYTHING)
        for binary in (False, True):
            here = rows(who, EVERYTHING, binary=binary)
            assert len(here) == len(there) and list(here[0]) == list(there[0])
            for one, other in zip(here, there):
                for name in one:
                    left, right = plain(one[name]), plain(other[name])
                    if name == "f32" and left is not None:
                        assert abs(left - right) < 1e-7 or left == right, (name, left, right)
                    else:
                        assert left == right, (name, binary, left, right)


def parameters_are_values():
    for binary in (False, True):
        assert rows("ALL", "SELECT id FROM lab.types WHERE id = %s", (1,), binary) == [{"id": 1}]
        hostile = "' OR 1 = 1 --"
        assert rows("ALL", "SELECT id FROM lab.types WHERE word = %s", (hostile,), binary) == []
        assert rows("ALL", "SELECT %s AS v", ("é😀",), binary) == [{"v": "é😀"}]
        assert rows("ALL", "SELECT id FROM lab.types WHERE day = %s", (datetime.date(2024, 1, 2),), binary) == [{"id": 1}]
        assert rows("ALL", "SELECT id FROM lab.types WHERE money > %s", (decimal.Decimal("100.5"),), binary) == [{"id": 2}]
        assert rows("ALL", "SELECT id FROM lab.types WHERE flag = %s", (True,), binary) == [{"id": 1}]


def a_statement_is_prepared_once():
    with connect("ALL", prepare_threshold=0, autocommit=True) as connection:
        for number in range(5):
            found = connection.execute("SELECT count(*) FROM lab.types WHERE id <= %s", (number,)).fetchone()
            assert found == (min(number, 3),), found


def refusals_say_why():
    assert fault("NONE", EVERYTHING) == ("42P01", "table_not_found", "table not found: `lab.types`")
    assert fault("ALL", "SELECT * FROM lab.nothing") == ("42P01", "table_not_found", "table not found: `lab.nothing`")
    assert fault("SOME", "SELECT money FROM lab.types")[0] == "42703"
    assert fault("ALL", "DROP TABLE lab.types")[1] == "statement_not_allowed"
    assert fault("ALL", "SELECT 1 +")[0] == "42601"
    assert fault("ALL", "SELECT 1 / 0")[0] == "22000"
    with connect("ALL") as connection:
        try:
            connection.execute("SELECT nosuch")
        except psycopg.errors.UndefinedColumn:
            connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def policy_is_told_as_a_notice():
    with connect("SOME", autocommit=True) as connection:
        told = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        connection.execute(EVERYTHING)
        assert json.loads(told[0].removeprefix("policy: "))["rows_filtered"], told


def a_large_result_streams():
    with connect("ALL") as connection, connection.cursor() as cursor:
        sql = "SELECT value, md5(CAST(value AS VARCHAR)) AS text FROM generate_series(1, 300000) AS t(value)"
        count = sum(1 for _ in cursor.stream(sql))
    assert count == 300_000, count


def a_query_can_be_cancelled():
    with connect("ALL", autocommit=True) as connection:
        threading.Timer(1, connection.cancel).start()
        start = time.monotonic()
        try:
            connection.execute("SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b")
        except psycopg.errors.QueryCanceled:
            assert time.monotonic() - start < 60
            assert connection.execute("SELECT 1").fetchone() == (1,)
            return
    raise AssertionError("never cancelled")


def sqlalchemy_reflects_what_is_visible():
    def inspected(who):
        url = sqlalchemy.URL.create(
            "postgresql+psycopg", who.lower(), os.environ[who], "127.0.0.1", int(os.environ["PORT"]), "lab"
        )
        return sqlalchemy.create_engine(url)

    engine = inspected("SOME")
    inspector = sqlalchemy.inspect(engine)
    assert inspector.default_schema_name == "lab"
    assert inspector.get_schema_names() == ["lab"], inspector.get_schema_names()
    assert inspector.get_table_names(schema="lab") == ["types"]
    assert inspector.get_view_names(schema="lab") == []
    assert inspector.get_pk_constraint("types")["constrained_columns"] == []
    assert inspector.get_indexes("types") == [] and inspector.get_foreign_keys("types") == []
    columns = {column["name"]: column for column in inspector.get_columns("types")}
    assert "exact" in columns and "money" not in columns, list(columns)
    assert isinstance(columns["id"]["type"], sqlalchemy.BIGINT) and isinstance(columns["word"]["type"], sqlalchemy.TEXT)
    types = sqlalchemy.Table("types", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(types.c.id).where(types.c.id < 3).order_by(types.c.id)).all()
        assert found == [(1,), (2,)], found
    assert sqlalchemy.inspect(inspected("NONE")).get_schema_names() == []


for test in (
    every_type_is_the_same_as_over_http,
    parameters_are_values,
    a_statement_is_prepared_once,
    refusals_say_why,
    policy_is_told_as_a_notice,
    a_large_result_streams,
    a_query_can_be_cancelled,
    sqlalchemy_reflects_what_is_visible,
):
    test()
    print(test.__name__, "ok", flush=True)
