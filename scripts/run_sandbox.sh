#!/bin/sh
# Bring up three simulated nodes in .sandbox and show them; run it again to go on with the same ones.
#
# Nothing outside of this checkout is read or changed: the sandbox has its own database, nodes, logs and home folder.
set -eu

cd "$(dirname "$0")/.."
scripts/setup.sh
. scripts/sandbox.sh

nodes_wanted=3
patience_seconds=60
python=$checkout/.venv/bin/python
program=$sandbox/bin/antnode

# The limits are wide, because the sandbox should come up on a busy machine too. What --init says to type next would
# mislead here: the cycles are run below, and wnm need not be on PATH.
make_sandbox() {
    mkdir -p "$sandbox/home" "$sandbox/bin"
    printf '%s\n' "$checkout" >"$sandbox/made-in"
    isolated "$python" -m wnm_sim.make_program --version 0.4.17 --out "$program" || return
    ports=$("$python" scripts/find_free_ports.py) || return
    sandbox_wnm --init --rewards_address faucet --antnode_path "$program" --node_cap "$nodes_wanted" \
        --process_manager setsid --firewall null \
        --node_storage "$sandbox/nodes" --log_storage "$sandbox/logs" --key_storage "$sandbox/keys" \
        --port_start "${ports% *}" --metrics_port_start "${ports#* }" \
        --delay_start 0.02 --delay_restart 0.02 --delay_upgrade 0.02 --delay_remove 0.02 \
        --cpu_less_than 98 --cpu_remove 99 --mem_less_than 98 --mem_remove 99 --hd_less_than 98 --hd_remove 99 \
        --desired_load_average 1000 --max_load_average_allowed 2000 --crisis_bytes 100000000 >/dev/null
}

running_nodes() {
    report=$(sandbox_wnm --report node-status --report_format json) || return
    printf '%s\n' "$report" | "$python" -I -c '
import json, sys
print(sum(node["status"] == "RUNNING" for node in json.load(sys.stdin)["nodes"]))
'
}

# One cycle, as cron would run it. A failed action (1) or a cycle that is already running (75) is no reason to give up.
cycle() {
    sandbox_wnm && return
    case $? in
        1 | 75) return 0 ;;
        *) return 1 ;;
    esac
}

fail() {
    printf '\nmake run: %s\n' "$1" >&2
    exit 1
}

show_the_way_on() {
    cat <<TEXT

These nodes are simulated: they cost next to nothing, and what they earn is made up. Look around:

  .venv/bin/wnm explain --dbpath .sandbox/colony.db    why the last cycle did what it did
  kill the process of a node, then type make run       and it is started again
  make stop                                            ends them and removes the sandbox

With a real node:

  1. install the program antnode, so that antnode --version answers
  2. .venv/bin/wnm --init --rewards_address 0x...      with your own address; starts nothing yet
  3. .venv/bin/wnm cron install                        one cycle every minute from now on

.venv/bin/wnm --help lists every setting.
TEXT
}

one_at_a_time "$python"
if [ -d "$sandbox" ] && ! made_here; then
    printf 'The sandbox in this folder came from another place: making a new one.\n'
    rm -rf "$sandbox"
fi
if [ -f "$database" ]; then
    printf 'Going on with the sandbox in .sandbox ...\n'
else
    printf 'Making a sandbox in .sandbox ...\n'
    make_sandbox || fail "the sandbox could not be made, see above; make stop cleans up"
fi
printf 'Running cycles until %s simulated nodes are RUNNING ...\n' "$nodes_wanted"
give_up_at=$(($(date +%s) + patience_seconds))
# A cycle comes first even when all seemed well the last time: a node may have died since.
while :; do
    cycle || fail "a cycle could not run, see above; make stop cleans up"
    running=$(running_nodes) || fail "the report could not be read, see above; make stop cleans up"
    [ "$running" -lt "$nodes_wanted" ] || break
    if [ "$(date +%s)" -ge "$give_up_at" ]; then
        sandbox_wnm explain || true
        fail "only $running of $nodes_wanted nodes are RUNNING after $patience_seconds seconds; see above why"
    fi
    sleep 1
done
printf '\n'
sandbox_wnm status
show_the_way_on
