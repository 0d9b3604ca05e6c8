"""Reads ROWS rows of one Parquet file as Arrow batches, ROUNDS times in turn: over HTTP, over Flight SQL, and with DuckDB in
this process, and prints the rates. The two doors give a governed table: its reader has a grant with a row rule that is
true of all rows. Nothing is done with the batches but counting their rows."""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import duckdb
import pyarrow
import pyarrow.ipc
from adbc_driver_flightsql import DatabaseOptions, dbapi

ROWS = int(os.environ.get("ROWS", "10000000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SQL = "SELECT * FROM bench.wide"
POLICY = 'grants: [{ to: "user:reader", on: bench.wide, permissions: [select], rows: "id >= 0" }]'


def write_table(file):
    """Five columns: two whole numbers, a float, a short text and a date."""
    duckdb.sql(
        f"""COPY (SELECT range AS id, range % 1000 AS kind, range * 0.25 AS amount, 'name ' || (range % 100000) AS name,
        DATE '2020-01-01' + CAST(range % 2000 AS INTEGER) AS day FROM range({ROWS}))
        TO '{file}' (FORMAT parquet, COMPRESSION zstd)"""
    )


def over_http(address, token):
    request = urllib.request.Request(
        f"http://{address}/v1/sql",
        data=('{"sql": "' + SQL + '"}').encode(),
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "accept": "application/vnd.apache.arrow.stream",
        },
    )
    with urllib.request.urlopen(request) as answer, pyarrow.ipc.open_stream(answer) as reader:
        return sum(batch.num_rows for batch in reader)


def over_flight_sql(address, token):
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    with dbapi.connect(f"grpc://{address}", db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(SQL)
            return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def with_duckdb(file):
    reader = duckdb.sql(f"SELECT * FROM read_parquet('{file}') WHERE id >= 0").to_arrow_reader(8192)
    return sum(batch.num_rows for batch in reader)


def serve(lakegate, folder):
    """A gateway in `folder`, and the addresses of its doors."""
    environment = os.environ | {
        "LAKEGATE__SERVER__HTTP": "127.0.0.1:0",
        "LAKEGATE__SERVER__FLIGHT": "127.0.0.1:0",
        "LAKEGATE__SERVER__POSTGRES": "127.0.0.1:0",
        "LAKEGATE_LOG": "error",
    }
    config = str(folder / "lakegate.toml")
    server = subprocess.Popen(
        [lakegate, "serve", "--config", config], env=environment, stdout=subprocess.PIPE, text=True
    )
    doors = [server.stdout.readline().split()[2] for _ in range(2)]
    return server, doors


def main(lakegate):
    with tempfile.TemporaryDirectory(prefix="lakegate-transfer-") as temporary:
        folder = pathlib.Path(temporary)
        data = folder / "wide"
        data.mkdir()
        write_table(data / "wide.parquet")
        run = lambda *words: subprocess.run([lakegate, *words], check=True, capture_output=True, text=True).stdout
        run("init", "--dir", str(folder / "gate"))
        config = ["--config", str(folder / "gate" / "lakegate.toml")]
        run("table", "register", "bench.wide", "--location", f"file://{data}", "--format", "parquet", *config)
        (folder / "policy.yaml").write_text(POLICY)
        run("policy", "apply", str(folder / "policy.yaml"), *config)
        token = run("token", "--user", "reader", *config).strip()
        server, (http, flight) = serve(lakegate, folder / "gate")
        try:
            ways = {
                "lakegate, HTTP": lambda: over_http(http, token),
                "lakegate, Flight SQL": lambda: over_flight_sql(flight, token),
                "DuckDB, in process": lambda: with_duckdb(data / "wide.parquet"),
            }
            measure(ways)
        finally:
            server.terminate()
            server.wait()


def measure(ways):
    seconds = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            rows = way()
            took = time.perf_counter() - started
            assert rows == ROWS, f"{name}: {rows} rows"
            if turn > 0:  # The first round warms up.
                seconds[name].append(took)
    peer = statistics.median(seconds["DuckDB, in process"])
    print(f"{ROWS} rows of 5 columns, {ROUNDS} rounds in turn; medians")
    print(f"{'':24}{'seconds':>10}{'million rows/s':>16}{'x DuckDB':>10}{'min':>8}{'max':>8}")
    for name, times in seconds.items():
        median = statistics.median(times)
        rate = ROWS / median / 1e6
        print(f"{name:24}{median:10.2f}{rate:16.2f}{median / peer:10.2f}{min(times):8.2f}{max(times):8.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
