"""Brings the table `lineitem` of the PostgreSQL at URL into one zstd Parquet file with one peer: `ingest.py PEER URL`, where
PEER is `connectorx-N` (N partitions) or `adbc`. Prints rows, seconds and the peak of memory in MiB."""

import os
import resource
import sys
import tempfile
import time

import pyarrow.parquet

QUERY = "SELECT * FROM lineitem"


def connectorx(url, partitions, file):
    import connectorx

    split = {"partition_on": "l_orderkey", "partition_num": partitions} if partitions > 1 else {}
    table = connectorx.read_sql(url, QUERY, return_type="arrow", protocol="binary", **split)
    pyarrow.parquet.write_table(table, file, compression="zstd")
    return table.num_rows


def adbc(url, file):
    import adbc_driver_postgresql.dbapi as dbapi

    rows = 0
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        reader = cursor.fetch_record_batch()
        with pyarrow.parquet.ParquetWriter(file, reader.schema, compression="zstd") as writer:
            for batch in reader:
                rows += batch.num_rows
                writer.write_batch(batch)
    return rows


def main(peer, url):
    with tempfile.TemporaryDirectory(prefix="lakegate-peer-") as folder:
        file = os.path.join(folder, "lineitem.parquet")
        started = time.monotonic()
        rows = adbc(url, file) if peer == "adbc" else connectorx(url, int(peer.removeprefix("connectorx-")), file)
        seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(rows, f"{seconds:.3f}", peak)


main(*sys.argv[1:])
