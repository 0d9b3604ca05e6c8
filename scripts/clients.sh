#!/bin/sh
# Puts the foreign clients that the tests connect with into one folder outside the checkout: a Python environment with the
# ADBC driver, and JDBC drivers. What is there already, in the versions of tests/clients, stays.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
folder=${LAKEGATE_CLIENTS:-$HOME/.cache/lakegate/clients}
mkdir -p "$folder"

wanted=$(cat "$here/tests/clients/requirements.txt")
if [ "$(cat "$folder/requirements.txt" 2>/dev/null || true)" != "$wanted" ]; then
    python3 -m venv --clear "$folder/python"
    "$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$here/tests/clients/requirements.txt"
    cp "$here/tests/clients/requirements.txt" "$folder/requirements.txt"
fi

wanted=$(cat "$here/tests/clients/pom.xml")
if [ "$(cat "$folder/pom.xml" 2>/dev/null || true)" != "$wanted" ]; then
    rm -rf "$folder/jdbc"
    mvn --quiet --batch-mode --file "$here/tests/clients/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$folder/jdbc"
    cp "$here/tests/clients/pom.xml" "$folder/pom.xml"
fi
