# shellcheck shell=sh
# Variables and functions that run_sandbox.sh and stop_sandbox.sh share; sourced by both from inside the checkout.

checkout=$(pwd -P)
sandbox=$checkout/.sandbox
database=$sandbox/colony.db

# Runs a command that sees nothing of its user's own wnm: no settings from the environment, from the home folder or
# from a .env file in the working directory.
isolated() {
    (
        cd "$sandbox" || exit
        exec env -i PATH="$PATH" HOME="$sandbox/home" TERM="${TERM:-dumb}" LANG="${LANG:-C.UTF-8}" \
            ${COLUMNS:+COLUMNS="$COLUMNS"} "$@" 9<&-
    )
}

# Runs wnm on the sandbox.
sandbox_wnm() {
    isolated "$checkout/.venv/bin/wnm" --dbpath "$database" "$@"
}

# Waits until no other run or stop works on this sandbox; the kernel frees the lock when the script ends.
one_at_a_time() {
    exec 9<scripts/sandbox.sh
    "$1" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
}

# Says whether the sandbox was made here, and did not come along when the checkout was copied or moved. The database
# of one that came along still names the nodes of the other place.
made_here() {
    [ "$(cat "$sandbox/made-in" 2>/dev/null)" = "$checkout" ]
}
