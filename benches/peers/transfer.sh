#!/bin/sh
# Ten million rows as Arrow, over HTTP and over Flight SQL, beside DuckDB that reads the same Parquet file in its own
# process: each in turn, several rounds, with the medians. Wants a release build; ROWS and ROUNDS are settings.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$HOME/.cache/lakegate/target}

cargo build --locked --release --manifest-path "$here/Cargo.toml" --bin lakegate
peers=$(sh "$here/benches/peers/prepare.sh")
exec "$peers/bin/python" "$here/benches/peers/transfer.py" "$target/release/lakegate"
