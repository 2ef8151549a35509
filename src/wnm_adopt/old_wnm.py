"""Reads the database of an older wnm for `wnm --init`, believed as far as units and processes confirm it."""

import atexit
import math
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from posixpath import dirname, normpath

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.context import Context
from wnm.core.backends import ALIASES, PROCESS_MANAGERS
from wnm.core.errors import shortened
from wnm.core.forms import plain
from wnm.core.host import Host, for_manager, log_folder
from wnm.core.node import Node, NodeId, Status, id_in_name
from wnm.core.release import tidy_version
from wnm.core.settings import REQUIRED, SPECS, render
from wnm.node_kinds.kinds import KINDS
from wnm.storage.old_database import OldMachine, OldNode, OldValue, files_of, read_old_colony
from wnm_adopt.classify import Adopted, Classified, classify
from wnm_adopt.discover import SETSID, FoundUnit
from wnm_adopt.from_services import (
    firewall_for,
    given_by_hand,
    manager_wanted,
    node_folders,
    settings_of,
    surroundings,
    units_of,
)
from wnm_adopt.plan import SettingsReader, Source, TakeoverPlan
from wnm_adopt.takeover_folder import TakeoverFolder

PLACE = "older database"
BECAUSE = "taken over from an older wnm"
BECAUSE_DISABLED = "disabled in the older wnm"

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
_SAME = {**{name: name for name in PROCESS_MANAGERS}, **ALIASES, "setsid+sudo": "setsid"}


def settings_from_old(
    machine: OldMachine | None, host: Host, by_hand: Collection[str] = frozenset()
) -> SettingsReader:
    """The settings there in wnm's units; those named in `by_hand` are not looked at."""
    values = machine.values if machine is not None else {}
    manager = values.get("process_manager")
    known = manager_of(manager, host) if isinstance(manager, str) else None
    reader = _Reader(for_manager(host, known or ""), by_hand)
    reader.values = values
    reader.minutes = machine is not None and machine.delays_in == "minutes"
    if machine is None:
        reader.notes.append("the older database holds no settings: its own --init had failed half-way")
    for name in _CARRIED:
        value = values.get(name)
        if name in by_hand:
            continue
        if value is not None and (not isinstance(value, str) or value.strip()):
            reader.carry(name, value)
        elif name in _NEEDED:
            reader.not_known(name, PLACE, "it is not there", name)
    reader.check_together()
    strategy = values.get("node_removal_strategy")
    if strategy not in (None, "", "youngest"):
        reader.notes.append(
            f"node_removal_strategy {shortened(str(strategy))} had no effect there; "
            "wnm removes the youngest first"
        )
    return reader


class _Reader(SettingsReader):
    """Sorts the values that are there; `minutes` says that delays are, and not seconds."""

    values: Mapping[str, OldValue]
    minutes: bool

    def carry(self, name: str, value: OldValue) -> None:
        if name == "antnode_path" and value == _OLD_PROGRAM:
            return  # the default of both, and wnm's also looks on PATH
        text, why = self._text(name, value), None
        if name == "process_manager":
            why = why_not(str(value), self.host)
        elif name == "node_storage" and "," in text:
            why = "its name holds a comma, which would part it in two"
        elif name == "node_cap" and value == 0:
            why = "it would remove every node"
        if why is None:
            try:
                self.give(name, text)
                self._note(name, value)
                return
            except ValueError as reason:
                why = str(reason)
        replaceable = SPECS[name].default is not REQUIRED and name not in _NO_DEFAULT
        # No default may decide who is paid: not where the wallets of nodes say `donate`.
        pays = name == "donate_address" and "donate" in str(self.values.get("rewards_address", "")).lower()
        if pays and "rewards_address" not in self.by_hand:
            why, replaceable = f"{why}, and nodes are to pay it", False
        self.refuse((name,), (shortened(text),), why, replaceable=replaceable)

    def refuse(self, names: Sequence[str], texts: Sequence[str], why: str, *, replaceable: bool) -> None:
        """Some of these have to be others, or wnm's defaults stand in for all of them."""
        shown = " and ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
        self.wrong(names, PLACE, f"{shown}: {why}", names, replaceable=replaceable, joined=" or ")

    def _text(self, name: str, value: OldValue) -> str:
        """The value as wnm's own readers take it; they refuse what has the wrong type."""
        if isinstance(value, float):
            return plain(value) if math.isfinite(value) else str(value)
        if name in _DELAYS and isinstance(value, int) and not self.minutes:
            return str(value // 60) if value % 60 == 0 else f"{value}s"
        if name == "process_manager":
            return manager_of(str(value), self.host) or str(value)
        if name == "rewards_address" and isinstance(value, str):
            return ",".join(part for part in value.split(",") if part.strip()) or value
        return str(value)

    def _note(self, name: str, value: OldValue) -> None:
        """Note for people how the meaning of a value that is carried over may differ."""
        if name in _DELAYS and not self.minutes and isinstance(value, int) and 0 < value < 60:
            self.notes.append(
                f"{name} was {value} seconds there; "
                f"if it came from anm, which counts in minutes, give --{name} {value}"
            )
        elif name == "node_storage" and isinstance(value, str) and (value.startswith("~") or "$" in value):
            self.notes.append(
                f"node_storage was {shortened(value)} there, taken literally; "
                f"new nodes go to {self.given[name]} now"
            )
        elif name == "environment" and len(self.value_of(name)) > 1:
            self.notes.append(
                "environment was one variable for nodes there, whatever its words; "
                "new nodes get one for each word"
            )
        elif name == "start_args":
            self.notes.append("start_args had no effect there; new nodes get them now")

    def check_together(self) -> None:
        """The limit to add has to be below the limit to shed, and all ports have to fit; a pair falls back together."""
        origins = {name: PLACE if name in self.given else "default" for name in SPECS}
        for names in (*_PAIRS, _PORTS):
            why = None if any(name in self.by_hand for name in names) else self.contradiction(names, origins)
            if why is None:
                continue
            values = [render(name, self.value_of(name)) for name in names]
            if names is _PORTS:
                self.refuse(names, values, why, replaceable=False)
                continue
            for name in names:
                self.given.pop(name, None)
            self.refuse(names, values, "the first has to be below the second", replaceable=True)


def manager_of(name: str, host: Host) -> str | None:
    """The process manager here for one there, None if there is none on this machine for this account."""
    return _SAME[name.strip().lower()] if why_not(name, host) is None else None


def why_not(name: str, host: Host) -> str | None:
    """Return why nodes under that process manager cannot be taken over, None if they can."""
    name = name.strip().lower()
    base = name.partition("+")[0]
    problems = (
        (
            base == "antctl",
            "its nodes belong to antctl, whose services wnm does not run; wnm can only make new ones",
        ),
        (
            base in ("docker", "s6overlay"),
            "its nodes run in containers, which wnm does not manage; wnm can only make new ones",
        ),
        (base == "launchd" and name not in _SAME, "wnm has launchd only for the account's own agents"),
        (name not in _SAME, "wnm does not have it"),
        (base == "launchd" and host.platform != "darwin", "it is only on macOS"),
        (base == "systemd" and host.platform != "linux", "it is only on Linux"),
        (name == "setsid+sudo" and not host.is_root, "its nodes run as root: run wnm as root too"),
    )
    return next((text for is_so, text in problems if is_so), None)


class FromOldWnm(Source):
    """The older database at `path`. It is switched off if it lies where ours is to be, and has to be moved."""

    name = "an older wnm"

    def __init__(self, run: Context, path: str) -> None:
        self._run = run
        self._path = os.path.realpath(path)
        self.switches_off = self._path == run.database_path
        self._files: set[tuple[int, int]] = set()
        for each in files_of(self._path) if self.switches_off else ():
            with suppress(OSError):
                seen = os.lstat(each)
                self._files.add((seen.st_dev, seen.st_ino))

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Read the older database, and compare each row with what there is of its node."""
        run, colony = self._run, read_old_colony(self._copy(folder))
        by_hand = given_by_hand(run)
        carried = settings_from_old(colony.machine, run.host, frozenset(by_hand))
        manager = manager_wanted(run, carried.given.get("process_manager"))
        host = for_manager(run.host, manager)
        known = node_folders(carried.given.get("node_storage"), host)
        units = units_of(manager, run.host, {**carried.given, **by_hand}.get("node_storage"))
        services = classify(units, surroundings(units, run)).adopted
        told, _ = settings_of(services, manager, by_hand)
        settings = {**told, **firewall_for(manager, run), **carried.given, "process_manager": manager}
        storages = tuple(dict.fromkeys([*known, *(dirname(each.row.root_dir) for each in services)]))
        if storages != known:
            settings["node_storage"] = render("node_storage", storages)
        in_force = {**settings, **by_hand}
        machine = Machine(
            manager=manager,
            storages=node_folders(in_force.get("node_storage"), host),
            logs=in_force.get("log_storage") or log_folder(host),
            no_upnp=in_force.get("no_upnp", "true") == "true",
            now=run.clock.now(),
        )
        records = records_of(colony.nodes, services, machine)
        every = [*units, *(each.unit for each in records)]
        plan = compare(colony.nodes, classify(every, surroundings(every, run)), records, machine.now)
        notes = [*carried.notes, *plan.notes]
        cap = in_force.get("node_cap", "0")
        if cap.isdigit() and int(cap) < len(services):
            notes.append(
                f"node_cap {cap} is below the {len(services)} nodes that are there: wnm will remove the youngest"
            )
        files = files_of(self._path) if self.switches_off else ()
        return replace(
            plan,
            settings=settings,
            kept=files,
            taken_out=files,
            notes=tuple(notes),
            problems=carried.blocking(run.asked.accept_defaults),
        )

    def running(self) -> Sequence[int]:
        """Its cycle that is under way: it has the database open, and what it writes at its end would be lost.

        The processes that have one of its files open, wherever it was moved to, as far as we may see that.
        """
        found = set()
        for opened in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):
                seen = opened.stat()
                if (seen.st_dev, seen.st_ino) in self._files:
                    found.add(int(opened.parts[2]))
        return sorted(found - {os.getpid()})

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


_PEER_ID = re.compile(r"[1-9A-HJ-NP-Za-km-z]{40,64}")
_ENDINGS = (Status.REMOVING, Status.DEAD)
_EARLIEST_BIRTH = datetime(2020, 1, 1, tzinfo=UTC)
_MANAGERS_THERE = ("setsid", "setsid+user", "setsid+sudo")
_KIND = "antnode"
_NETWORKS = (None, "evm-arbitrum-one")
_POSSIBLE_PORTS = range(1024, 65536)


class Machine(Struct, frozen=True, kw_only=True):
    """The settings that rows are read by: `storages` are tidy paths, `logs` is the folder of log folders."""

    manager: str
    storages: Sequence[str]
    logs: str
    no_upnp: bool
    now: datetime


class Record(Struct, frozen=True, kw_only=True):
    """A row that no unit or process belongs to, as a unit to be classified and as the node that it would be."""

    row: OldNode
    unit: FoundUnit
    node: Node


def records_of(rows: Sequence[OldNode], adopted: Sequence[Adopted], machine: Machine) -> list[Record]:
    """The rows whose numbers no adopted unit has. A node without a process is no more than that under setsid alone."""
    known = {each.row.id for each in adopted}
    return [
        _record(row, f"row {place} of the older database", machine)
        for place, row in enumerate(rows, 1)
        if row.id not in known
    ]


def _record(row: OldNode, place: str, machine: Machine) -> Record:
    name, root, ports = row.name or "", row.root_dir or "", (row.port, row.metrics_port)
    status = Status.DISABLED if row.status == Status.DISABLED else Status.STOPPED
    node = Node(
        id=NodeId(row.id or 0),
        name=name,
        kind=_KIND,
        manager=SETSID,
        root_dir=root,
        log_dir=f"{machine.logs}/{name}",
        program=f"{root}/{_KIND}",
        port=row.port or 0,
        metrics_port=row.metrics_port or 0,
        wallet=row.wallet or "",
        born=_born(row.age, machine.now) or machine.now,
        no_upnp=machine.no_upnp,
        status=status,
        status_since=machine.now,
        because=BECAUSE_DISABLED if status is Status.DISABLED else BECAUSE,
        version=tidy_version(row.version or ""),
        peer_id=_peer_id(row.peer_id),
    )
    problems = {
        "it has no service and no process": machine.manager != SETSID or row.manager not in _MANAGERS_THERE,
        "its name and its number do not belong together": row.id is None or id_in_name(name) != row.id,
        f"it is said to be at {shortened(root)}, which is not its place in node_storage": root
        not in [f"{each}/{name}" for each in machine.storages],
        f"its ports {row.port} and {row.metrics_port} cannot be": row.port == row.metrics_port
        or not {*ports} <= {*_POSSIBLE_PORTS},
        f"it is of the network {shortened(row.network or '')}": row.network not in _NETWORKS,
    }
    unit = FoundUnit(
        manager=SETSID,
        name=name,
        place=place,
        argv=KINDS[_KIND].command_line(node, supervised=False),
        problem=next((text for text, is_so in problems.items() if is_so), None),
        inert=True,
        recorded=True,
    )
    return Record(row=row, unit=unit, node=node)


def compare(
    rows: Sequence[OldNode], classified: Classified, records: Sequence[Record], now: datetime
) -> TakeoverPlan:
    """Compare the rows with what became of units and records. Units decide what a node is; rows remove nothing.

    The plan's nodes and notes: where rows and units contradict each other, and which rows nothing confirms; their
    folders are left alone.
    """
    counts = Counter(row.id for row in rows)
    by_id = {row.id: row for row in rows if counts[row.id] == 1}
    recorded = {each.unit.place: each for each in records}
    adopted: list[Adopted] = []
    stopped: list[Node] = []
    notes: list[str] = []
    for each in classified.adopted:
        record = recorded.get(each.place)
        row = by_id.get(each.row.id) if record is None else record.row
        if record is None:
            adopted.append(replace(each, row=_remembering(each.row, row, now)))
            notes += _contradictions(each.row, row)
        else:
            stopped.append(record.node)
            notes.append(
                f"{each.row.name}: it has no process and is adopted as it lies in {each.row.root_dir}"
            )
        if row is not None and row.status in _ENDINGS:
            notes.append(
                f"{each.row.name}: the older database says {row.status}, which is not believed; "
                f"to remove it: wnm --force_action remove --service_name {each.row.name} --confirm"
            )
    notes += [
        f"{_shown(recorded[each.place].row)}: not adopted, its folder is left alone: {each.reason}"
        for each in classified.refused
        if each.place in recorded
    ]
    return TakeoverPlan(
        source=FromOldWnm.name,
        adopted=tuple(adopted),
        refused=tuple(each for each in classified.refused if each.place not in recorded),
        rows=tuple(stopped),
        notes=tuple(notes),
    )


def _remembering(node: Node, row: OldNode | None, now: datetime) -> Node:
    """The row of an adopted unit, with what the older database remembers of it."""
    if row is not None and row.status == Status.DISABLED:
        node = replace(node, status=Status.DISABLED, because=BECAUSE_DISABLED)
    else:
        node = replace(node, because=BECAUSE)
    if row is None or not _is_same(node, row):
        return node
    return replace(
        node,
        born=_born(row.age, now) or node.born,
        peer_id=node.peer_id or _peer_id(row.peer_id),
        version=node.version or tidy_version(row.version or ""),
    )


def _is_same(node: Node, row: OldNode) -> bool:
    """Whether a row is about this node, and not about an earlier one with its id.

    One sign is enough: the folder may have been cut short by whoever read it.
    """
    return row.port == node.port or _tidy(row.root_dir) == node.root_dir


def _contradictions(node: Node, row: OldNode | None) -> Iterable[str]:
    if row is None:
        yield f"{node.name}: the older database does not know it; its service is adopted as it is"
        return
    if not _is_same(node, row):
        yield f"{node.name}: the row of its id is about another node; only its service is believed"
        return
    said: tuple[tuple[str, object, object], ...] = (
        ("name", row.name, node.name),
        ("folder", _tidy(row.root_dir), node.root_dir),
        ("port", row.port, node.port),
        ("metrics port", row.metrics_port, node.metrics_port),
        ("wallet", row.wallet, node.wallet),
    )
    for what, there, here in said:
        # Addresses differ in case by their checksum only.
        is_same = str(there).lower() == str(here).lower() if what == "wallet" else there == here
        if there is not None and not is_same:
            said_there = shortened(str(there))
            yield f"{node.name}: its {what} is {here}, not {said_there} as the older database says"


def _shown(row: OldNode) -> str:
    """The row's name for people; a strange one is quoted and cut."""
    if row.name is not None and id_in_name(row.name) is not None:
        return row.name
    return f"row {row.id}" if row.name is None else f"row {row.id} {shortened(row.name)}"


def _tidy(path: str | None) -> str | None:
    return normpath(f"/{path.lstrip('/')}") if path is not None and path.startswith("/") else path


def _born(age: int | None, now: datetime) -> datetime | None:
    """The birth that the row says, None if it cannot be one; 0 stood there for a node without a key."""
    if age is None or not _EARLIEST_BIRTH.timestamp() <= age <= now.timestamp():
        return None
    return datetime.fromtimestamp(age, tz=UTC)


def _peer_id(text: str | None) -> str | None:
    return text if text is not None and _PEER_ID.fullmatch(text) else None
