"""Reads the database of an older wnm for `wnm --init`, believed as far as units and processes confirm it."""

import atexit
import os
import pwd
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from posixpath import dirname

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.core.host import Host, default_manager, for_manager, log_folder
from wnm.core.node import Node
from wnm.core.settings import read, render
from wnm.node_kinds.kinds import KINDS
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
from wnm_adopt.old_database import files_of, read_old_colony
from wnm_adopt.old_nodes import Machine, Memory, compare_old_nodes, folders_to_look_at, remember
from wnm_adopt.old_settings import settings_from_old
from wnm_adopt.plan import TakeoverPlan
from wnm_adopt.takeover_folder import TakeoverFolder


class FromOldWnm:
    """Implements `wnm_adopt.taking_over.Source` for the database at `path`."""

    name = "an older wnm"
    noted: Sequence[str] = ()

    def __init__(self, run: Context, path: str) -> None:
        self._run = run
        self._path = os.path.realpath(path)
        self._memories: Mapping[int, Memory] = {}
        self._files = _file_ids(files_of(self._path)) if self.switches_off else frozenset()

    @property
    def switches_off(self) -> bool:
        """Whether the older database lies where ours is to be, and has to be moved."""
        return self._path == self._run.database_path

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
        """Where the older database is to be read: once it was moved away, from its copies."""
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
