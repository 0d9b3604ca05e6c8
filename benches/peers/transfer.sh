#!/bin/sh
# Ten million rows as Arrow, over HTTP and over Flight SQL, beside DuckDB that reads the same Parquet file in its own
# process: each in turn, several rounds, with the medians. Wants a release build; ROWS and ROUNDS are settings.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$HOME/.cache/lakegate/target}
peers=${LAKEGATE_PEERS:-$HOME/.cache/lakegate/peers}

cargo build --locked --release --manifest-path "$here/Cargo.toml" --bin lakegate
if ! cmp -s "$here/benches/peers/requirements.txt" "$peers/requirements.txt"; then
    python3 -m venv --clear "$peers"
    "$peers/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$here/benches/peers/requirements.txt"
    cp "$here/benches/peers/requirements.txt" "$peers/requirements.txt"
fi
exec "$peers/bin/python" "$here/benches/peers/transfer.py" "$target/release/lakegate"
