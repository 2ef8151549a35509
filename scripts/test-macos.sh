#!/bin/bash
# Run what can only be tried on a Mac: the promises of every driver over this Mac's own launchd, and all tests marked
# macos. Arguments are passed on to pytest, for example: scripts/test-macos.sh -k reboot
#
# Agents get labels that begin with com.autonomi.wnm-test., their property lists lie in ~/Library/Caches and not in
# ~/Library/LaunchAgents: no real node is touched and nothing is started at the next login. What launchd keeps of it
# is a line for each label that says "enabled" (launchctl print-disabled gui/$UID).
#
# bash 3.2, as macOS has it.
set -eu

cd "$(dirname "$0")/.."
prefix=com.autonomi.wnm-test.

[ "$(uname -s)" = Darwin ] || { printf 'test-macos: this is %s, not macOS\n' "$(uname -s)" >&2; exit 2; }
[ "$(id -u)" -ne 0 ] || { printf 'test-macos: run it as the user whose agents are tried, without sudo\n' >&2; exit 2; }

# Also what an earlier run left when it was killed.
clean_up() {
    local domain label
    for domain in "gui/$(id -u)" "user/$(id -u)"; do
        launchctl print "$domain" 2>/dev/null | awk -v prefix="$prefix" 'index($3, prefix) == 1 { print $3 }' |
            while read -r label; do
                printf 'test-macos: unloading %s/%s\n' "$domain" "$label"
                launchctl bootout "$domain/$label" || true
                launchctl enable "$domain/$label" || true
            done
    done
    rm -rf "$HOME"/Library/Caches/wnm-test-agents-*
}

scripts/setup.sh
clean_up
trap clean_up EXIT
sw_vers
launchctl managername
WNM_TEST_REAL_LAUNCHD=1 .venv/bin/python -m pytest -m macos "$@"
