#!/bin/sh
# Write requirements-dev.lock: exact versions of all that wnm and its tools need, for Linux and macOS alike.
#
# The resolver (uv) lives in a scratch folder, because nothing else here needs it. Environment markers in the result
# make one file do for every system and every Python from the oldest that we support.
set -eu

cd "$(dirname "$0")/.."
python=$(scripts/find_python.sh)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -qq 'uv>=0.8'
oldest=$("$scratch/venv/bin/python" -c '
import tomllib
print(tomllib.load(open("pyproject.toml", "rb"))["project"]["requires-python"].removeprefix(">="))
')
{
    echo '# Generated from pyproject.toml by scripts/generate_lock.sh; do not edit.'
    "$scratch/venv/bin/uv" pip compile --quiet --no-config --universal --python-version "$oldest" --group dev --group docs \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml
} >"$scratch/lock"
cat "$scratch/lock" >requirements-dev.lock
