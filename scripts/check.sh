#!/bin/sh
# Run every gate that reads the code instead of running it; all of them, then fail if one did.
set -u

cd "$(dirname "$0")/.." || exit
failed=''

gate() {
    name=$1
    shift
    printf '%s\n' "-- $name"
    "$@" || failed="$failed, $name"
}

gate 'lint' .venv/bin/ruff check --quiet .
gate 'format' .venv/bin/ruff format --check --quiet .
gate 'types' .venv/bin/mypy --no-error-summary
gate 'direction rules' .venv/bin/lint-imports --no-logo
gate 'development lock' .venv/bin/python scripts/check_lock.py
for generator in scripts/generate_*.py; do
    gate "$(basename "$generator")" .venv/bin/python "$generator" --check
done

if [ -n "$failed" ]; then
    printf 'failed: %s\n' "${failed#, }" >&2
    exit 1
fi
printf 'all gates passed\n'
