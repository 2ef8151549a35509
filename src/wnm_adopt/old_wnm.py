"""Reads the database of an older wnm for `wnm --init`, believed as far as units and processes confirm it."""

import atexit
import math
import os
import pwd
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from posixpath import dirname
from typing import Any

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.core.errors import shortened
from wnm.core.forms import plain
from wnm.core.host import Host, default_manager, for_manager, log_folder
from wnm.core.node import Node
from wnm.core.settings import REQUIRED, SPECS, read, render
from wnm.node_kinds.kinds import KINDS
from wnm.storage.old_database import OldMachine, OldValue, files_of, read_old_colony
from wnm.system.clock import SystemClock
from wnm.system.processes import ProcessTable
from wnm_adopt.classify import Adopted, classify
from wnm_adopt.discover import look_at_folders
from wnm_adopt.from_services import (
    firewall_for,
    given_by_hand,
    node_folders,
    settings_of,
    surroundings,
    units_of,
)
from wnm_adopt.old_nodes import Machine, Memory, compare_old_nodes, folders_to_look_at, remember
from wnm_adopt.plan import FoundSettings, SettingsReader, Source, TakeoverPlan, UnknownSetting, WrongSetting
from wnm_adopt.takeover_folder import TakeoverFolder

PLACE = "older database"

_DELAYS = ("delay_start", "delay_restart", "delay_upgrade", "delay_remove")
_PORTS = ("node_cap", "port_start", "metrics_port_start")
# Without these, wnm's own default would be a guess about where the nodes are and who is paid.
_NEEDED = ("rewards_address", "process_manager", "port_start", "node_storage")
# A default in place of these would pay somebody else, or leave the nodes to nobody.
_NO_DEFAULT = ("rewards_address", "process_manager")
# Settings that wnm has under the same name, if not in the same unit.
_CARRIED = (
    *("rewards_address", "donate_address", "node_cap"),
    *("cpu_less_than", "cpu_remove", "mem_less_than", "mem_remove", "hd_less_than", "hd_remove"),
    *("desired_load_average", "max_load_average_allowed", "crisis_bytes"),
    *("netio_read_less_than", "netio_read_remove", "netio_write_less_than", "netio_write_remove"),
    *("hdio_read_less_than", "hdio_read_remove", "hdio_write_less_than", "hdio_write_remove"),
    *("max_concurrent_upgrades", "max_concurrent_starts"),
    *("max_concurrent_removals", "max_concurrent_operations"),
    *_DELAYS,
    *("action_delay", "survey_delay"),
    *("process_manager", "port_start", "metrics_port_start", "host", "no_upnp"),
    *("antnode_path", "environment", "start_args", "node_storage"),
)
_OLD_PROGRAM = "~/.local/bin/antnode"
_PAIRS = (
    *((name, name.replace("_less_than", "_remove")) for name in SPECS if name.endswith("_less_than")),
    ("desired_load_average", "max_load_average_allowed"),
)


_SAME = {
    "systemd": "systemd",
    "systemd+sudo": "systemd",
    "systemd+user": "systemd+user",
    "setsid": "setsid",
    "setsid+user": "setsid",
    "setsid+sudo": "setsid",
    "launchd": "launchd",
    "launchd+user": "launchd",
}


class _Reader(SettingsReader):
    """Sorts the values that are there."""

    def defaults(self, names: Sequence[str]) -> Mapping[str, str]:
        """The texts of wnm's defaults; none where they may not stand in."""
        if any(SPECS[name].default is REQUIRED or name in _NO_DEFAULT for name in names):
            return {}
        return super().defaults(names)

    def refuse(self, name: str, value: str, why: str) -> None:
        self.refuse_all((name,), (value,), why, self.defaults((name,)))

    def refuse_all(
        self, names: Sequence[str], values: Sequence[str], why: str, defaults: Mapping[str, str]
    ) -> None:
        """Some of these have to be others, or `defaults` stand in for all of them."""
        shown = " and ".join(f"{name} {text}" for name, text in zip(names, values, strict=True))
        self.wrong.append(
            WrongSetting(
                keys=tuple(names),
                where=PLACE,
                why=f"{shown}: {why}",
                options=tuple(names),
                defaults=defaults,
                joined=" or ",
            )
        )

    def value_of(self, name: str) -> Any:
        """The value that will hold if nobody gives another."""
        if name in self.given:
            return read(name, self.given[name], self.host)
        return self.default(name)


def settings_from_old(
    machine: OldMachine | None, host: Host, by_hand: Collection[str] = frozenset()
) -> FoundSettings:
    """The settings there in wnm's units; those named in `by_hand` are not looked at."""
    values = machine.values if machine is not None else {}
    manager = values.get("process_manager")
    known = manager_of(manager, host) if isinstance(manager, str) else None
    reader = _Reader(for_manager(host, known or ""), by_hand)
    if machine is None:
        reader.notes.append("the older database holds no settings: its own --init had failed half-way")
    for name in _CARRIED:
        if name in by_hand:
            continue
        value = values.get(name)
        if value is not None and (not isinstance(value, str) or value.strip()):
            _carry(reader, name, value, minutes=machine is not None and machine.delays_in == "minutes")
        elif name in _NEEDED:
            reader.unknown.append(
                UnknownSetting(key=name, where=PLACE, reason="it is not there", option=name)
            )
    _check_donation(reader, values)
    _check_pairs(reader)
    _check_ports(reader)
    _note_what_stays_behind(reader, values)
    return reader.found()


def _carry(reader: _Reader, name: str, value: OldValue, *, minutes: bool) -> None:
    if name == "antnode_path" and value == _OLD_PROGRAM:
        return  # the default of both, and wnm's also looks on PATH
    if name == "process_manager" and (why := why_not(str(value), reader.host)) is not None:
        reader.refuse(name, shortened(str(value)), why)
        return
    if name == "node_storage" and isinstance(value, str) and "," in value:
        reader.refuse(name, shortened(value), "its name holds a comma, which would part it in two")
        return
    if name == "node_cap" and value == 0:
        reader.refuse(name, "0", "it would remove every node")
        return
    text = _text(name, value, reader.host, minutes=minutes)
    try:
        reader.give(name, text)
    except ValueError as reason:
        reader.refuse(name, shortened(text), str(reason))
        return
    _note(reader, name, value, minutes=minutes)


def _text(name: str, value: OldValue, host: Host, *, minutes: bool) -> str:
    """The value as wnm's own readers take it; they refuse what has the wrong type."""
    if isinstance(value, float):
        return plain(value) if math.isfinite(value) else str(value)
    if name in _DELAYS and isinstance(value, int) and not minutes:
        return str(value // 60) if value % 60 == 0 else f"{value}s"
    if name == "process_manager":
        return manager_of(str(value), host) or str(value)
    if name == "rewards_address" and isinstance(value, str):
        return ",".join(part for part in value.split(",") if part.strip()) or value
    return str(value)


def _note(reader: _Reader, name: str, value: OldValue, *, minutes: bool) -> None:
    """Note for people how the meaning of a value that is carried over may differ."""
    carried = reader.given[name]
    if name in _DELAYS and not minutes and isinstance(value, int) and 0 < value < 60:
        reader.notes.append(
            f"{name} was {value} seconds there; "
            f"if it came from anm, which counts in minutes, give --{name} {value}"
        )
    elif name == "node_storage" and isinstance(value, str) and (value.startswith("~") or "$" in value):
        reader.notes.append(
            f"node_storage was {shortened(value)} there, taken literally; new nodes go to {carried} now"
        )
    elif name == "environment" and len(reader.value_of(name)) > 1:
        reader.notes.append(
            "environment was one variable for nodes there, whatever its words; "
            "new nodes get one for each word"
        )
    elif name == "start_args":
        reader.notes.append("start_args had no effect there; new nodes get them now")


def _check_donation(reader: _Reader, values: Mapping[str, OldValue]) -> None:
    """No default may decide who is paid: not where the wallets of nodes say `donate`."""
    uses_it = "donate" in str(values.get("rewards_address", "")).lower()
    for index, each in enumerate(reader.wrong):
        if each.options == ("donate_address",) and uses_it and "rewards_address" not in reader.by_hand:
            reader.wrong[index] = replace(each, why=f"{each.why}, and nodes are to pay it", defaults={})


def _check_pairs(reader: _Reader) -> None:
    """The limit to add has to be below the limit to shed; both fall back together."""
    for low, high in _PAIRS:
        if low in reader.by_hand or high in reader.by_hand:
            continue
        below, above = reader.value_of(low), reader.value_of(high)
        is_off = "io_" in low and (not below or not above)
        if below < above or is_off:
            continue
        reader.given.pop(low, None)
        reader.given.pop(high, None)
        values = (render(low, below), render(high, above))
        defaults = reader.defaults((low, high))
        reader.refuse_all((low, high), values, "the first has to be below the second", defaults)


def _check_ports(reader: _Reader) -> None:
    """Whether all ports fit below 65536 and apart from each other."""
    if any(name in reader.by_hand for name in _PORTS):
        return
    origins = {name: PLACE if name in reader.given else "default" for name in SPECS}
    why = reader.contradiction(_PORTS, origins)
    if why is not None:
        shown = [render(name, reader.value_of(name)) for name in _PORTS]
        reader.refuse_all(_PORTS, shown, why, {})


def _note_what_stays_behind(reader: _Reader, values: Mapping[str, OldValue]) -> None:
    strategy = values.get("node_removal_strategy")
    if strategy not in (None, "", "youngest"):
        reader.notes.append(
            f"node_removal_strategy {shortened(str(strategy))} had no effect there; "
            "wnm removes the youngest first"
        )


def manager_of(name: str, host: Host) -> str | None:
    """The process manager here for one there, None if there is none on this machine for this account."""
    return _SAME[name.strip().lower()] if why_not(name, host) is None else None


def why_not(name: str, host: Host) -> str | None:
    """Return why nodes under that process manager cannot be taken over, None if they can."""
    name = name.strip().lower()
    base = name.partition("+")[0]
    if base == "antctl":
        return "its nodes belong to antctl, whose services wnm does not run; wnm can only make new ones"
    if base in ("docker", "s6overlay"):
        return "its nodes run in containers, which wnm does not manage; wnm can only make new ones"
    if name not in _SAME:
        return (
            "wnm does not have it"
            if base != "launchd"
            else "wnm has launchd only for the account's own agents"
        )
    if base == "launchd" and host.platform != "darwin":
        return "it is only on macOS"
    if base == "systemd" and host.platform != "linux":
        return "it is only on Linux"
    if name == "setsid+sudo" and not host.is_root:
        return "its nodes run as root: run wnm as root too"
    return None


class FromOldWnm(Source):
    """The older database at `path`. It is switched off if it lies where ours is to be, and has to be moved."""

    name = "an older wnm"

    def __init__(self, run: Context, path: str) -> None:
        self._run = run
        self._path = os.path.realpath(path)
        self._memories: Mapping[int, Memory] = {}
        self.switches_off = self._path == run.database_path
        self._files = _file_ids(files_of(self._path)) if self.switches_off else frozenset()

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Read the older database, and compare each row with what there is of its node."""
        path = self._copy(folder)
        colony = read_old_colony(path)
        by_hand = given_by_hand(self._run)
        carried = settings_from_old(colony.machine, self._run.host, frozenset(by_hand))
        settings = self._with_manager(carried.given)
        manager = settings["process_manager"]
        units = units_of(manager, self._run.host, {**settings, **by_hand}.get("node_storage"))
        classified = classify(units, surroundings(units, self._run))
        rows = [each.row for each in classified.adopted]
        told, _ = settings_of(classified.adopted, manager, by_hand)
        settings = {**told, **firewall_for(manager, self._run), **settings} | storages_with(
            settings, rows, self._run.host
        )
        machine = self._machine({**settings, **by_hand, "process_manager": manager})
        nodes = compare_old_nodes(
            colony.nodes,
            rows,
            refused=classified.refused,
            running=_running(rows),
            folders=look_at_folders(folders_to_look_at(colony.nodes, machine)),
            machine=machine,
        )
        self._memories = nodes.memories
        problems = list(carried.blocking(self._run.asked.accept_defaults))
        files = files_of(self._path) if self.switches_off else ()
        return TakeoverPlan(
            source=self.name,
            settings=settings,
            adopted=classified.adopted,
            rows=tuple(self._in_place(node, settings) for node in nodes.stopped),
            refused=classified.refused,
            kept=files,
            taken_out=files,
            notes=(
                *carried.notes,
                *nodes.notes,
                *nodes.left,
                *self._notes(by_hand, settings, classified.adopted),
            ),
            problems=tuple(problems),
        )

    def running(self) -> Sequence[int]:
        """Its cycle that is under way: it has the database open, and what it writes at its end would be lost."""
        return _users_of(self._files)

    def remembered(self, node: Node) -> Node:
        """The row with what the older database knew."""
        memory = self._memories.get(node.id)
        return node if memory is None else remember(node, memory)

    def _copy(self, folder: TakeoverFolder | None) -> str:
        """Return the path to read the older database from: once it was moved away, that of its copies."""
        if os.path.lexists(self._path) or folder is None:
            return self._path
        # SQLite finds the files that belong together by their names.
        scratch = tempfile.mkdtemp(prefix="wnm-")
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        for path in files_of(self._path):
            content = folder.content(path)
            if content is not None:
                Path(scratch, Path(path).name).write_bytes(content)
        return str(Path(scratch, Path(self._path).name))

    def _with_manager(self, given: Mapping[str, str]) -> dict[str, str]:
        by_hand = given_by_hand(self._run).get("process_manager")
        text = by_hand or given.get("process_manager") or default_manager(self._run.host)
        return {**given, "process_manager": str(read("process_manager", text, self._run.host))}

    def _machine(self, settings: Mapping[str, str]) -> Machine:
        host = for_manager(self._run.host, settings["process_manager"])
        return Machine(
            manager=settings["process_manager"],
            storages=node_folders(settings.get("node_storage"), host),
            account=self._run.host.user,
            homes=frozenset(entry.pw_dir for entry in pwd.getpwall()),
            no_upnp=settings.get("no_upnp", "true") == "true",
            now=SystemClock().now(),
        )

    def _in_place(self, node: Node, settings: Mapping[str, str]) -> Node:
        """A node that lies still gets its log folder where wnm has those of its own."""
        logs = settings.get("log_storage") or log_folder(
            for_manager(self._run.host, settings["process_manager"])
        )
        return replace(node, log_dir=f"{logs}/{node.name}")

    def _notes(
        self, by_hand: Mapping[str, str], settings: Mapping[str, str], adopted: Sequence[Adopted]
    ) -> list[str]:
        cap = {**settings, **by_hand}.get("node_cap", "0")
        if cap.isdigit() and int(cap) < len(adopted):
            return [
                f"node_cap {cap} is below the {len(adopted)} nodes that are there: wnm will remove the youngest"
            ]
        return []


def _file_ids(paths: Sequence[str]) -> frozenset[tuple[int, int]]:
    found = set()
    for path in paths:
        with suppress(OSError):
            seen = os.lstat(path)
            found.add((seen.st_dev, seen.st_ino))
    return frozenset(found)


def _users_of(files: Collection[tuple[int, int]]) -> Sequence[int]:
    """The processes that have one of these files open, wherever it was moved to, as far as we may see that."""
    found = set()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            seen = opened.stat()
            if (seen.st_dev, seen.st_ino) in files:
                found.add(int(opened.parts[2]))
    return sorted(found - {os.getpid()})


def storages_with(settings: Mapping[str, str], rows: Sequence[Node], host: Host) -> dict[str, str]:
    """`node_storage` with the folders that adopted nodes lie in, those of new nodes first."""
    host = for_manager(host, settings["process_manager"])
    known = node_folders(settings.get("node_storage"), host)
    wanted = tuple(dict.fromkeys([*known, *(dirname(row.root_dir) for row in rows)]))
    return {"node_storage": render("node_storage", wanted)} if wanted != known else {}


def _running(rows: Sequence[Node]) -> set[int]:
    """The nodes that have a process, by their root directories."""
    flags = {kind.fingerprint("")[0] for kind in KINDS.values()}
    folders = {folder for _, folder in ProcessTable.read(flags).found}
    return {row.id for row in rows if row.root_dir in folders}
