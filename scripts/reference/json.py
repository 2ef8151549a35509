"""Writes the reference page of the keys that JSON reports have; a test compares them with the reports."""

from collections.abc import Mapping

from msgspec.structs import fields

from wnm.views.material import NodeFacts

type Keys = Mapping[str, str]

NODE: Keys = {
    "id": "number of the node",
    "name": "`antnode0001`",
    "service": "name for the service manager, without `.service`",
    "kind": "`antnode` or `ant-node`",
    "status": "`RUNNING`, `STOPPED`, `UPGRADING`, `RESTARTING`, `REMOVING`, `DEAD` or `DISABLED`",
    "process": "`running`, `stopped`, `failed` or `unknown`",
    "reachable": "`answers`, `refuses` or `times out`; null where nobody asked",
    "version": "version that runs",
    "binary_version": "version of the program on disk",
    "port": "UDP port",
    "metrics_port": "metrics port",
    "pid": "process id",
    "peer_id": "id in the network",
    "wallet": "who is paid",
    "root_dir": "folder of the node",
    "log_dir": "folder of its logs",
    "status_since": "when it came to its status",
    "born": "when its identity was made",
    "uptime_seconds": "age of its process",
    "records": "records that it stores",
    "connected_peers": "peers that it is connected to",
    "shunned": "how often peers shunned it since its process started",
    "cpu_percent": "part of all cores since its process started, in %",
    "memory_bytes": "memory of its process",
    "disk_bytes": "its folder, when it was last measured",
    "network_size": "nodes in the network, as it estimates",
    "rewards_attos": "credited to this process, in attos (10⁻¹⁸ ANT)",
    "last_error": "what went wrong last",
}
_NODES: Keys = {
    "observed_at": "when the nodes were last looked at",
    "health_sources.KIND": "what the health of that kind of node is judged by",
    **{f"nodes[].{name}": meaning for name, meaning in NODE.items()},
}
_MACHINE: Keys = {
    "observed_at": "when the machine was looked at",
    "window_seconds": "time that rates are taken over",
    "usable_cores": "cores that nodes can use",
    "memory_total_bytes": "memory of the machine",
    "readings.READING.value": "`cpu_percent`, `memory_percent`, `load_1min`, … as they are",
    "readings.READING.less_than": "nodes are added below it; null = off",
    "readings.READING.remove": "nodes are shed above it; null = off",
    "disks[].mount_point": "where the file system is mounted",
    "disks[].total_bytes": "its size",
    "disks[].free_bytes": "what is free of it",
    "disks[].used_percent": "how full it is",
    "disks[].free_inodes": "inodes that are free; null where the file system makes them as it needs them",
    "disks[].inodes_used_percent": "how many of them are used; null likewise. No node is added above `less_than`",
    "disks[].less_than": "nodes are added below it",
    "disks[].remove": "nodes are removed above it",
    "disks[].in_crisis": "whether less than `crisis_bytes` is free",
    "storages[].path": "a storage folder",
    "storages[].present": "whether it is there; null where its disk did not answer",
    "storages[].marker": "`ours`, `missing`, `another`, `unseen`, or `none` where it never had one",
    "storages[].problem": "why it takes none: `place-read-only`, `place-noexec`, `place-unwritable`; null if nothing",
    "storages[].mount_point": "where its file system is mounted",
    "storages[].file_system": "the identity of that file system",
    "storages[].device": "the device below it, `major:minor`",
    "storages[].free_inodes": "inodes that are free there",
    "storages[].read_only": "whether it is mounted read-only",
    "storages[].noexec": "whether programs may not run there",
    "storages[].writable": "whether this account may write there",
    "storages[].last_failure": "how the last addition there failed; null once one succeeded",
    "storages[].last_failure_at": "when",
    "storages[].takes_new_nodes": "whether it is in `node_storage`",
    "storages[].folders_without_row": "how many folders with a node's name no row names",
    "cores": "cores of the machine, of which `usable_cores` may be used",
    "memory_bounds[].where": "empty for the machine, else the cgroup that is smaller",
    "memory_bounds[].total": "bytes of memory there",
    "memory_bounds[].used": "bytes in use, without what the kernel gives back first",
    "process_bounds[].where": "empty for the machine, else the cgroup that is smaller",
    "process_bounds[].total": "most processes and threads there",
    "process_bounds[].used": "those that are there",
    "stalls[].resource": "`cpu`, `memory` or `io`",
    "stalls[].some_percent": "share of the last minute in which some work waited for it",
    "stalls[].full_percent": "the same of all work; null where the kernel does not tell",
    "crisis_bytes": "the setting",
    "node_cap": "the setting",
    "node_count": "nodes that there are",
    "node_counts.STATUS": "nodes of that status; every status is there",
    "unseen.READING": "why a reading has no value",
}
_AMOUNT: Keys = {"attos": "whole number, as a text", "ant": "the same in ANT, exact, as a text"}
_EVENT: Keys = {
    "at": "when",
    "cycle": "number of the cycle",
    "node_id": "number of the node",
    "node": "name of the node",
    "kind": "`action` (wnm did it) or `change` (wnm found it so)",
    "action": "what was done; null for a change",
    "was": "status before a change",
    "became": "status after it",
    "result": "`done`, `failed`, …; null for a change",
    "because": "why",
    "rule": "rule that decided the cycle",
    "error": "what went wrong",
    "note": "what else came of it",
    "freed_bytes": "what a removal gave back",
}
_HELD: Keys = {
    "what": "what is not done",
    "waiting_for": "what it waits for",
    "until": "until when, if that is known",
    "remedy": "what you can do; null if nothing is needed",
    "kind": "kind of what it waits for: a word that does not change with the sentence",
    "nodes[]": "names of the nodes that it is not done to",
    "waits_on[]": "names of the nodes that it waits for",
}
_ALERT: Keys = {
    "key": "name of the alert",
    "subject": "what it is about: a node, a disk, a version",
    "severity": "`warning` or `critical`",
    "text": "one sentence",
    "remedy": "what to do",
    "started_at": "since when",
    "ended_at": "until when; null while it lasts",
}


def _below(prefix: str, keys: Keys) -> dict[str, str]:
    return {f"{prefix}.{name}": meaning for name, meaning in keys.items()}


REPORTS: Mapping[str, Keys] = {
    "node-status and node-status-details": _NODES,
    "machine-metrics": _MACHINE,
    "status": {
        **_NODES,
        **_MACHINE,
        "node_notes[].name": "name of the node; the nodes are the same as in `nodes`, in the same order",
        "node_notes[].to_look_at": "why somebody may want to look at it; null if all is as it should be",
        "node_notes[].earned_today_attos": "earned since midnight (UTC): a whole number, as a text",
        "node_notes[].last_action": "what was last done to it, keys as in `events[]` below; null if nothing",
    },
    "machine-config": {
        "settings.NAME.value": "the value: a number, a text, true or false, a list, or null",
        "settings.NAME.text": "the same as it would be given to wnm",
        "settings.NAME.origin": "`default`, `database`, `command line`, `environment`, or the path of a file",
    },
    "decisions and explain": {
        "cycle": "its number; null when there was none yet",
        "started_at": "when it began",
        "ended_at": "when it ended; null if it was killed",
        "exit_code": "how it ended",
        "rule": "rule that decided it",
        "because": "why, in words",
        "settings.NAME": "the settings that it was decided with, as texts",
        "observation": "all that was seen, for `wnm replay`; its shape may change",
        "decision": "all that was decided, for `wnm replay`; its shape may change",
        "actions[].kind": "`AddNode`, `StopNode`, …",
        "actions[].node": "name of the node",
        "actions[].action": "the same in words",
        "actions[].because": "why",
        **_below("held[]", _HELD),
        "outcomes[].node": "name of the node",
        "outcomes[].kind": "`AddNode`, `StopNode`, …",
        "outcomes[].action": "the same in words",
        "outcomes[].result": "`done`, `failed`, …; null while nobody concluded it",
        "outcomes[].error": "what went wrong",
        "outcomes[].note": "what else came of it",
        "outcomes[].freed_bytes": "what a removal gave back",
    },
    "explain NODE": {
        "name": "name of the node",
        "node": "the node with the keys of `nodes[]` above; null when it is gone",
        "because": "why it has its status",
        **_below("waits_for[]", _HELD),
        "last_stop": "the event that stopped it last, keys as in `events[]`, and `readings` and `sample` of then",
        **_below("events[]", _EVENT),
        "earlier_events": "events that are left out",
    },
    "history": {
        "since": "from when",
        "node": "name of the node, if it is about one",
        **_below("events[]", _EVENT),
        "earlier_events": "events that are left out",
        "trends.range": "`day`, `week` or `month`",
        "trends.since": "beginning of the charts",
        "trends.until": "their end",
        "trends.bucket_seconds": "length of a bucket",
        "trends.measures.NAME[].low": "lowest reading in a bucket; the bucket is null where there was none",
        "trends.measures.NAME[].mean": "mean",
        "trends.measures.NAME[].high": "highest",
        "trends.earned[].day": "a day (UTC)",
        **_below("trends.earned[]", _AMOUNT),
    },
    "earnings": {
        "days[].day": "a day (UTC)",
        "days[].wallet": "who was paid",
        **_below("days[]", _AMOUNT),
        "wallets[].wallet": "who was paid",
        **_below("wallets[]", _AMOUNT),
        "nodes[].name": "which node",
        "nodes[].wallet": "who was paid",
        **_below("nodes[]", _AMOUNT),
        **_below("total", _AMOUNT),
        "before_wnm[].name": "a node that earned before wnm looked; in no total",
        "before_wnm[].wallet": "who was paid",
        **_below("before_wnm[]", _AMOUNT),
    },
    "doctor": {
        "ok": "false as soon as one check is",
        "checks[].kind": "its subject: `cycle`, `disk`, `program`, `cron`, …; a name that stays",
        "checks[].name": "what was looked at",
        "checks[].ok": "true, false, or null where it may be as it is",
        "checks[].detail": "what was found",
        "checks[].remedy": "what to do",
    },
    "alerts": {
        "channels[]": "names of the channels, without secrets",
        "dead_man_url": "whether one is set",
        **_below("open[]", _ALERT),
        **_below("ended[]", _ALERT),
        "waiting[].id": "a message that has not arrived",
        "waiting[].event": "`start` or `end`",
        "waiting[].key": "name of the alert",
        "waiting[].subject": "what it is about",
        "waiting[].channel": "where it is to go",
        "waiting[].attempts": "how often it was tried",
        "waiting[].next_try_at": "when it is tried again",
        "waiting[].last_error": "why it did not arrive",
    },
    "alerts test": {
        "id": "of the message",
        "results[].channel": "name of the channel",
        "results[].ok": "whether it took the message",
        "results[].error": "why not",
    },
    "cron show": {
        "database": "the database that is meant",
        "place": "which table of cron",
        "installed": "whether there is a line; null if that could not be told",
        "line": "the line that is there",
        "wanted_line": "the line that `wnm cron install` would write",
        "up_to_date": "whether they are the same",
        "program": "the program in the line",
        "program_exists": "whether it is there",
        "log_file": "where cycles log to",
        "last_cycle.number": "the last cycle; null if there was none",
        "last_cycle.started_at": "when it began",
        "last_cycle.exit_code": "how it ended",
        "cron_runs": "whether the daemon runs; null if that could not be told",
        "problems[]": "what could not be told, and why",
    },
}
"""The keys of each report by their path: `[]` is an item of a list, a word in capitals stands for any name."""

_INTRODUCTION = """\
# JSON reports

<!-- Generated by scripts/generate_docs.py from scripts/reference/json.py: change it there. -->

Every report is one object with `schema` (now 1) and `generated_at`, and the keys below. Keys are not renamed or taken
away while `schema` stays the same; new ones may come. Times are ISO 8601 in UTC and end in `Z`. **What is not known is
null**, never 0. Lists are lists also for one or none.

```sh
wnm --report node-status --json | jq '.nodes[] | select(.status != "RUNNING") | .name'
```

`wnm status`, `explain`, `history`, `doctor`, `alerts` and `cron show` take `--json` too. In the tables `[]` is an item
of a list, and a word in capitals stands for any name. What alerts look like for receivers is in
[the page on alerts](../howto/alerts.md).
"""


def json_markdown() -> str:
    """The whole page. KeyError for a key of nodes without a meaning here."""
    missing = [field.name for field in fields(NodeFacts) if field.name not in NODE]
    if missing:
        raise KeyError(*missing)
    parts = [_INTRODUCTION]
    for name, keys in REPORTS.items():
        parts.append(f"\n## {name}\n\n| key | meaning |\n|---|---|\n")
        parts.extend(f"| `{key}` | {meaning} |\n" for key, meaning in keys.items())
    return "".join(parts)
