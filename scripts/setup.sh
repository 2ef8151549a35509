#!/bin/sh
# Make .venv, or bring it up to date, with wnm (editable) and the pinned tools; nothing to do takes no network.
#
# The stamp inside .venv says what it was made from. It is taken away before the first change and written after the
# last one, so an environment without a stamp was interrupted half-way and is made again from nothing.
set -eu

cd "$(dirname "$0")/.."
checkout=$(pwd -P)
stamp=.venv/made-from
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# A checkout that was moved or copied holds an environment that still points to the old place: the place counts too.
sources() {
    printf '%s\n' "$checkout"
    cat pyproject.toml requirements-dev.lock | cksum
}

python_works() {
    scripts/find_python.sh --ok .venv/bin/python
}

up_to_date() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(sources)" ] && python_works
}

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

up_to_date && exit 0

python=$(scripts/find_python.sh) || exit

# One at a time: the kernel holds this lock for the shell's open file and frees it however the shell ends.
# flock(1) is missing on macOS, but a child's flock(2) on an inherited descriptor is the same lock.
exec 9<scripts/setup.sh
"$python" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
up_to_date && exit 0

[ ! -e .venv ] || [ -w .venv ] || fail ".venv belongs to another user: remove it as that user and run this again"
wanted=$(sources)
if [ "$(head -n 1 "$stamp" 2>/dev/null)" = "$checkout" ] && python_works; then
    printf 'Updating .venv, because pyproject.toml or requirements-dev.lock changed ...\n'
    rm -f "$stamp"
else
    printf 'Making .venv with %s (%s) ...\n' "$("$python" -V)" "$python"
    rm -f "$stamp"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python could not make .venv"
fi
.venv/bin/python -m pip install -qq --requirement requirements-dev.lock \
    || fail "pip could not install requirements-dev.lock: see its message above, then run this again"
.venv/bin/python -m pip install -qq --no-deps --no-build-isolation --editable . \
    || fail "pip could not install this checkout: see its message above, then run this again"
# Written now, because a compiled file that a full disk cuts short would stop every later run.
.venv/bin/python -m compileall -q src || fail "src could not be compiled: see the message above"
printf '%s\n' "$wanted" >"$stamp"
