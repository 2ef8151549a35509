"""The outside view: what is on the machine, read without one line of wnm, and what must not be so."""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

KEY = "secret-key"
TEMPORARY = (".new", ".migrating")
FINE = 0
CODES = (0, 1, 3, 75)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A node as the database has it."""

    id: int
    name: str
    root_dir: str
    log_dir: str
    status: str
    port: int
    metrics_port: int
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A living process of a node; `state` is that of /proc, T for a stopped one."""

    pid: int
    root_dir: str
    state: str
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All of it at one moment. `rows` is None if the database cannot be read; `folders` have hashes of keys."""

    rows: tuple[Row, ...] | None
    open_operations: int = 0
    processes: tuple[Process, ...] = ()
    folders: Mapping[str, str | None] = field(default_factory=dict)
    logs: tuple[str, ...] = ()
    backups: frozenset[str] = frozenset()
    leftovers: tuple[str, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()
    wnm_processes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that must not be so; `kind` is a word, `text` names the thing."""

    kind: str
    text: str


def look(home: Path) -> World:
    """Look at the sandbox below `home`."""
    rows, open_operations = _read_database(home / "data" / "colony.db")
    processes = tuple(_processes(home))
    return World(
        rows=rows,
        open_operations=open_operations,
        processes=processes,
        folders=_folders(home / "nodes"),
        logs=tuple(sorted(_names(home / "logs"))),
        backups=frozenset(filter(None, (_hash(path) for path in (home / "keys").glob(f"*/{KEY}")))),
        leftovers=tuple(sorted(_leftovers(home))),
        rules=_rules(home / "ufw" / "rules.json"),
        wnm_processes=tuple(_wnm_processes(home)),
    )


def _read_database(path: Path) -> tuple[tuple[Row, ...] | None, int]:
    """From a copy, so that not one byte beside the database changes."""
    columns = ["id", "name", "root_dir", "log_dir", "status", "port", "metrics_port", "version"]
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder:
        copy = Path(folder, "copy.db")
        try:
            shutil.copyfile(path, copy)
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}-wal", f"{copy}-wal")
            with closing(sqlite3.connect(copy)) as connection:
                found = connection.execute(f"SELECT {', '.join(columns)} FROM node ORDER BY id").fetchall()
                (count,) = connection.execute(
                    "SELECT count(*) FROM operation WHERE result IS NULL"
                ).fetchone()
        except (OSError, sqlite3.Error):
            return None, 0
    return tuple(Row(**dict(zip(columns, each, strict=True))) for each in found), count


def _processes(home: Path) -> Iterator[Process]:
    for pid, words in _command_lines():
        roots = [value for flag, value in pairwise(words) if flag == "--root-dir"]
        if roots and roots[0].startswith(str(home)):
            with suppress(OSError, IndexError):
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX":
                    program = next((word for word in words if word.endswith("/antnode")), "")
                    yield Process(pid=pid, root_dir=roots[0], state=state, program=program)


def _wnm_processes(home: Path) -> Iterator[int]:
    for pid, words in _command_lines():
        if "--dbpath" in words and any(word.startswith(str(home)) for word in words):
            yield pid


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for name in _names(Path("/proc")):
        if name.isdigit():
            with suppress(OSError):
                words = Path("/proc", name, "cmdline").read_bytes().decode(errors="replace").split("\0")
                yield int(name), words[:-1]


def _folders(storage: Path) -> Mapping[str, str | None]:
    """Folders of nodes by their names; what is no folder, and what begins with a dot, is not a node's."""
    return {
        name: _hash(storage / name / KEY)
        for name in sorted(_names(storage))
        if not name.startswith(".") and (storage / name).is_dir()
    }


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _hash(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return None


def _leftovers(home: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(home):
        folders[:] = [name for name in folders if name not in ("fake", "others")]
        for name in files:
            if name.endswith(TEMPORARY):
                yield str(Path(folder, name).relative_to(home))


def _rules(path: Path) -> tuple[tuple[str, str], ...]:
    try:
        rules = json.loads(path.read_text())
    except (OSError, ValueError):
        return ()
    return tuple(sorted((str(rule["to"]), str(rule["comment"])) for rule in rules))


# What must hold at any time


@dataclass(kw_only=True)
class Memory:
    """What must not be lost: the key of each node by the name of its folder, as it was when all was settled.

    `may_go` is how many nodes wnm was asked to remove; `excused` are keys that the harness itself took away.
    """

    keys: dict[str, str] = field(default_factory=dict)
    may_go: int = 0
    excused: set[str] = field(default_factory=set)

    def settle(self, world: World) -> None:
        """What is there now is what must not be lost."""
        self.keys = {name: key for name, key in world.folders.items() if key}
        self.may_go = 0
        self.excused = set()


def check_at_any_time(world: World, memory: Memory) -> Iterator[Finding]:
    """What must hold between any two runs of wnm, whatever happened."""
    yield from _check_keys(world, memory)
    counts = Counter(process.root_dir for process in world.processes)
    for root_dir, count in counts.items():
        if count > 1:
            yield Finding(kind="runs-twice", text=f"{count} processes of {root_dir}")
    if world.wnm_processes:
        yield Finding(kind="wnm-left-running", text=f"processes {list(world.wnm_processes)}")
    if world.rows is None:
        return
    for what, values in (
        ("port", [row.port for row in world.rows] + [row.metrics_port for row in world.rows]),
        ("name", [row.name for row in world.rows]),
        ("folder", [row.root_dir for row in world.rows]),
    ):
        for value, count in Counter[object](values).items():
            if count > 1:
                yield Finding(kind="twice-in-rows", text=f"{count} rows with {what} {value}")
    known = {row.root_dir for row in world.rows}
    for process in world.processes:
        if process.root_dir not in known:
            yield Finding(kind="process-without-row", text=f"{process.pid} of {process.root_dir}")


def _check_keys(world: World, memory: Memory) -> Iterator[Finding]:
    there = {key for key in world.folders.values() if key}
    gone = {name: key for name, key in memory.keys.items() if key not in there | memory.excused}
    for name, key in gone.items():
        if key not in world.backups:
            yield Finding(kind="key-lost", text=f"the key of {name} is neither in a folder nor backed up")
    if len(gone) > memory.may_go:
        names = ", ".join(sorted(gone))
        yield Finding(
            kind="node-lost", text=f"{names} removed, and only {memory.may_go} removals were asked for"
        )
    if memory.may_go:
        return
    for name, key in memory.keys.items():
        now = world.folders.get(name)
        if now not in (None, key) and key not in memory.excused:
            yield Finding(kind="another-key", text=f"{name} has another key than before")


def check_words(world: World, code: int) -> Iterator[Finding]:
    """A run that ended with 0 says that all is fine: it must be."""
    if code != FINE or world.rows is None:
        return
    alive = {process.root_dir for process in world.processes}
    for row in world.rows:
        if row.status == "RUNNING" and row.root_dir not in alive:
            yield Finding(kind="says-fine", text=f"exit 0, {row.name} is RUNNING and has no process")
    known = {Path(row.root_dir).name for row in world.rows}
    for name, key in world.folders.items():
        if name not in known and key:
            yield Finding(
                kind="row-forgotten", text=f"exit 0, and {name} lies there with a key and has no row"
            )


def check_run(
    code: int, err: str, seconds: float, *, out: str = "", patience: float, struck: bool
) -> Iterator[Finding]:
    """How one run ended: `struck` when a signal was sent to it or a call of it was made to fail."""
    if "Traceback" in err or "this is a bug in wnm" in err:
        last = [line for line in err.splitlines() if line.strip()]
        words = next((line for line in reversed(last) if not line.startswith("wnm:")), "")
        yield Finding(kind="traceback", text=f"{words[:300]} (of {len(last)} lines)")
    if seconds > patience:
        yield Finding(kind="too-long", text=f"it took {seconds:.0f} s")
    if code not in CODES and not (struck and (code < 0 or code in (130, 143))):
        yield Finding(kind="exit-code", text=f"exit code {code}: {err.splitlines()[-1:]}")
    elif code in (1, 3) and not (err + out).strip():
        yield Finding(kind="silent", text=f"exit code {code} without a word")


# What must hold when all is settled


def unsettled(world: World, *, cap: int, version: str | None, firewall: str) -> list[str]:
    """What is not yet as it should be; `version` None if it does not matter."""
    if world.rows is None:
        return ["the database cannot be read"]
    names = sorted(row.name for row in world.rows)
    roots = sorted(row.root_dir for row in world.rows)
    alive = sorted(process.root_dir for process in world.processes if process.state != "T")
    there = (
        (len(names) == cap, f"{len(names)} rows and a cap of {cap}"),
        (world.open_operations == 0, f"{world.open_operations} operations without an end"),
        (alive == roots, f"processes of {_short(alive)} and rows of {_short(roots)}"),
        (sorted(world.folders) == names, f"folders {sorted(world.folders)} and rows {names}"),
        (all(world.folders.values()), "a folder without a key"),
        (list(world.logs) == names, f"folders of logs {list(world.logs)} and rows {names}"),
        (not world.leftovers, f"left over: {', '.join(world.leftovers)}"),
    )
    found = [text for holds, text in there if not holds]
    found += [f"{row.name} is {row.status}" for row in world.rows if row.status != "RUNNING"]
    if version is not None:
        found += [f"{row.name} is {row.version}" for row in world.rows if row.version != version]
    if firewall == "ufw":
        found += _wrong_rules(world)
    return found


def _wrong_rules(world: World) -> list[str]:
    wanted = {f"{row.port}/udp" for row in world.rows or ()}
    ours = {to for to, comment in world.rules if comment != OPERATORS_RULE[1]}
    found = [f"no rule for {port}" for port in sorted(wanted - ours)]
    found += [f"a rule for {port} is left" for port in sorted(ours - wanted)]
    if OPERATORS_RULE not in world.rules:
        found.append("the operator's own rule is gone")
    return found


OPERATORS_RULE = ("22/tcp", "ssh")


def _short(paths: Iterable[str]) -> list[str]:
    return [Path(path).name for path in paths]
