#!/bin/sh
# TPC-H lineitem from a private PostgreSQL into zstd Parquet: lakegate beside ConnectorX with 1, 2 and 4 partitions, ADBC, and
# two COPY streams to nowhere; each in turn and in a process of its own, several rounds, with the medians, the peaks of memory
# and the ratios. SCALE (1) and ROUNDS (3) are settings.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
peers=$(sh "$here/benches/peers/prepare.sh")
cd "$here"
LAKEGATE_PEERS_PYTHON="$peers/bin/python" exec cargo bench --locked --bench ingest
