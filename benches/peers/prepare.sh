#!/bin/sh
# Puts the systems that are measured beside lakegate into a Python environment outside the checkout, and prints its folder.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
peers=${LAKEGATE_PEERS:-$HOME/.cache/lakegate/peers}

if ! cmp -s "$here/benches/peers/requirements.txt" "$peers/requirements.txt"; then
    python3 -m venv --clear "$peers"
    "$peers/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$here/benches/peers/requirements.txt"
    cp "$here/benches/peers/requirements.txt" "$peers/requirements.txt"
fi
echo "$peers"
