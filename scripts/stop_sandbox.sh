#!/bin/sh
# End the simulated nodes of the sandbox and remove it; there need not be one.
#
# wnm takes its own nodes down. Whatever still runs afterwards, because the database or the environment is broken or
# gone, is found by its command line: only a node of this sandbox has a root directory inside it.
set -eu

cd "$(dirname "$0")/.."
. scripts/sandbox.sh

if [ ! -e "$sandbox" ] && [ ! -e .venv ] && ! scripts/find_python.sh >/dev/null 2>&1; then
    printf 'There is no sandbox.\n'
    exit
fi
# The environment may be what is broken or gone: then any working Python does.
python=$checkout/.venv/bin/python
scripts/find_python.sh --ok "$python" || python=$(scripts/find_python.sh) || exit

# A cycle that is under way (75) ends within a minute.
teardown() {
    attempts=60
    while [ "$attempts" -gt 0 ]; do
        code=0
        sandbox_wnm --force_action teardown --confirm || code=$?
        [ "$code" -eq 75 ] || return "$code"
        attempts=$((attempts - 1))
        sleep 1
    done
    return 75
}

one_at_a_time "$python"
if [ -f "$database" ] && made_here && [ -x .venv/bin/wnm ]; then
    teardown || printf 'wnm could not take its nodes down; ending their processes instead.\n' >&2
fi
"$python" -I scripts/end_sandbox_nodes.py "$sandbox"
if [ -e "$sandbox" ]; then
    rm -rf "$sandbox"
    printf 'The sandbox is gone; nothing of it runs any more.\n'
else
    printf 'There is no sandbox.\n'
fi
