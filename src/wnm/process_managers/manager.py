"""Manages the life of a node's process, folders and key, the same over every kind of process manager."""

import filecmp
import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wnm.core.contracts import Clock, Unit, UnitDriver
from wnm.core.errors import Bug, Permanent, ProgramFailed, Transient, WnmError
from wnm.core.host import SYSTEM_DATA
from wnm.core.node import Node, output_log
from wnm.core.observation import ProcessReading, Unseen
from wnm.core.settings import Settings
from wnm.node_kinds.kind import NodeKind
from wnm.sensors.node_files import critical_failure
from wnm.sensors.programs import read_program
from wnm.system.accounts import ensure, give, open_way
from wnm.system.files import (
    failing,
    keep_beside,
    make_private_dir,
    open_regular,
    place_file,
    trim_log,
    write_file,
)
from wnm.system.processes import holds
from wnm.system.removal import remove_file, remove_tree, require_inside

LOG_LIMIT_BYTES = 10 * 1024 * 1024
PROGRAM_MODE = 0o755
COMPANION_MODE = 0o644
PROGRAM_PATIENCE = timedelta(seconds=10)


class NodeManager:
    """Implements `wnm.core.contracts.ProcessManager` over a UnitDriver; `kinds` are those that nodes may be of.

    Nothing outside of the storage folders that the settings name is ever written or deleted, whatever a row says.
    """

    def __init__(
        self, driver: UnitDriver, kinds: Mapping[str, NodeKind], settings: Settings, clock: Clock
    ) -> None:
        self._driver = driver
        self._kinds = kinds
        self._settings = settings
        self._may_upgrade_itself = settings.self_upgrade == "allow"
        self._clock = clock
        self.claimed_names, self.settle = driver.claimed, driver.settle

    def create_node(self, node: Node, program: str) -> None:
        """Make folders (0700), program copy and unit; goes on where an interrupted attempt ended.

        Its own files are gone again when it fails.
        Permanent if a name or path is not allowed, or the root directory holds anything but our program copy.
        """
        self._require_ours(node)
        _require_fresh(node, self._kinds[node.kind].companion_files)
        unit = self._unit(node)
        try:
            account = None if node.user is None else ensure(node.user)
            for folder, above in (
                (node.root_dir, self._settings.node_storage),
                (node.log_dir, (self._settings.log_storage,)),
            ):
                # Its account's and nobody else's, where that account can reach it.
                if account is not None:
                    open_way(folder, account, ours=(*above, SYSTEM_DATA))
                make_private_dir(folder)
                if account is not None:
                    give(folder, account)
            self._place(program, node)
            self._driver.install(unit)
        except WnmError:
            # It was fresh: nothing in it is worth keeping, and the next attempt may be on another disk.
            remove_tree(node.root_dir, inside=self._settings.node_storage)
            with suppress(OSError):
                seen = os.lstat(output_log(node))
                if stat.S_ISREG(seen.st_mode) and seen.st_size == 0:
                    Path(output_log(node)).unlink()
            with suppress(OSError):
                Path(node.log_dir).rmdir()
            raise

    def place_program(self, node: Node, program: str) -> None:
        """Replace the node's program, keeping the old one as `<program>.previous`; doing it again changes nothing."""
        self._require_ours(node)
        if Path(node.program).exists():
            try:
                if filecmp.cmp(program, node.program, shallow=False):
                    return
            except OSError as error:
                raise Transient(f"cannot read {error.filename or program}: {error.strerror}") from error
            seen = os.lstat(node.program)
            if not stat.S_ISREG(seen.st_mode):
                raise Permanent(f"{node.program} is not a plain file: it is not replaced")
            # A copy of ours, where a node's account owns the program.
            if node.user is None or seen.st_uid == os.geteuid():
                keep_beside(node.program, _previous(node))
            else:
                place_file(node.program, _previous(node), PROGRAM_MODE, follow_link=False)
        self._place(program, node)

    def check_program(self, node: Node, version: str) -> None:
        """Ask the node's copy for its version, as the node would run it. ProgramFailed if it does not say it.

        Transient where its former program, kept beside it, does not say its own either, or where a second question
        is answered: then it is the disk or the machine that lets nothing run, and not the new program.
        """

        def ask(path: str) -> str | Unseen:
            found = read_program(path, None, timeout=PROGRAM_PATIENCE, user=node.user)
            return found if isinstance(found, Unseen) else found.version

        said = ask(node.program)
        if isinstance(said, Unseen):
            if isinstance(ask(_previous(node)), Unseen):
                raise Transient(f"{node.name} can run no program there now, its own neither: {said.reason}")
            said = ask(node.program)
        if isinstance(said, Unseen):
            raise ProgramFailed(f"{node.name} cannot use the new program: {said.reason}")
        if said != version:
            raise Transient(f"{node.program} says that it is {said}, and not {version}")

    def restore_program(self, node: Node) -> None:
        """Make the kept copy the node's program again; it is kept on. Permanent if there is none."""
        self._require_ours(node)
        try:
            kept = os.lstat(_previous(node))
        except FileNotFoundError:
            raise Permanent(
                f"{node.name} has no earlier program to go back to: {_previous(node)} is missing"
            ) from None
        # It lies in a folder of the node's, which could have put anything there.
        foreign = node.user is not None and not self._may_upgrade_itself and kept.st_uid != os.geteuid()
        if foreign or not stat.S_ISREG(kept.st_mode):
            raise Permanent(f"{node.name} cannot go back to {_previous(node)}: it is not what was kept there")
        keep_beside(_previous(node), node.program)

    def forget_former_program(self, node: Node) -> None:
        """Delete the copy kept by `place_program`."""
        self._require_ours(node)
        remove_file(_previous(node), inside=[node.root_dir])

    def start_node(self, node: Node) -> None:
        """Return when exactly one process of the node runs. Permanent if it has nothing to run."""
        self._require_ours(node)
        if not os.access(node.program, os.X_OK):
            raise Permanent(f"{node.name} cannot start: {node.program} is missing or may not be run")
        began = self._clock.now()
        try:
            self._driver.start(self._unit(node))
        except Transient as error:
            # Nothing of this is needed in a cycle in which all is well.
            from wnm.process_managers.start_failures import explained

            # Not all that a node has to say goes to where its output goes.
            words = critical_failure(node, self._kinds[node.kind], began)
            said = str(error) if words is None or words in str(error) else f"{error}; {words}"
            raise explained(said, node, self._kinds[node.kind], self._settings.key_storage) from error

    def stop_node(self, node: Node) -> bool:
        """Return when no process of the node is left; True if it had to be killed."""
        return self._driver.stop(self._unit(node), self._settings.stop_grace)

    def restart_node(self, node: Node) -> bool:
        """Stop, then start; True if it had to be killed."""
        killed = self.stop_node(node)
        self.start_node(node)
        return killed

    def get_status(self, node: Node) -> ProcessReading | Unseen:
        """The state of one node's process."""
        return self.survey_nodes([node])[node.id]

    def survey_nodes(self, nodes: Sequence[Node]) -> Mapping[int, ProcessReading | Unseen]:
        """The states of all nodes' processes by id, in one pass. A node that cannot be looked for hides no other."""
        states: dict[int, ProcessReading | Unseen] = {}
        units: dict[int, Unit] = {}
        for node in nodes:
            try:
                units[node.id] = self._unit(node)
            except WnmError as error:
                states[node.id] = Unseen(reason=str(error))
        seen = self._driver.status(tuple(units.values()))
        for node_id, unit in units.items():
            states[node_id] = seen.get(unit.name, Unseen(reason=f"{self._driver.name} did not say"))
        return states

    def remove_node(self, node: Node) -> int:
        """End the process, back up the key, then delete unit and folders; returns the bytes freed.

        Permanent, before anything is done, if a path is not allowed. Transient if the process stays or the key
        cannot be backed up; then nothing is deleted.
        """
        self._require_ours(node)
        self.stop_node(node)
        if self._settings.keep_keys:
            storage = Path(self._settings.key_storage)
            if Path(node.root_dir) in [storage, *storage.parents]:
                raise Permanent(f"{storage} is inside {node.root_dir}: keys would be deleted with the node")
            key_file = self._kinds[node.kind].identity_file(node.root_dir)
            _back_up_key(key_file, storage, node, self._clock.now())
        self._driver.remove(self._unit(node))
        freed = remove_tree(node.root_dir, inside=self._settings.node_storage)
        if not self._logs_elsewhere(node):
            freed += remove_tree(node.log_dir, inside=[self._settings.log_storage])
            for log in (output_log(node), f"{output_log(node)}.1"):
                freed += remove_file(log, inside=[self._settings.log_storage])
        return freed

    def trim_logs(self, nodes: Sequence[Node], max_bytes: int = LOG_LIMIT_BYTES) -> tuple[str, ...]:
        """Cut each node's output log that is larger; its end is kept beside it. Returns what went wrong, as lines."""
        problems = []
        for node in nodes:
            try:
                # Hardly any is: what it costs to be sure that it is ours is for those alone.
                if os.lstat(output_log(node)).st_size <= max_bytes:
                    continue
            except OSError:
                continue
            try:
                self._require_ours(node)
                if not self._logs_elsewhere(node):
                    trim_log(output_log(node), max_bytes)
            except WnmError as error:
                problems.append(f"{node.name}: {error}")
        return tuple(problems)

    def _unit(self, node: Node) -> Unit:
        kind = self._kinds[node.kind]
        if node.command is None:
            supervised = self._driver.restarts and self._may_upgrade_itself
            argv = kind.command_line(node, supervised=supervised)
        else:
            argv = (node.program, *node.command)
        environment = kind.environment(node)
        if node.user is not None and all(name != "HOME" for name, _ in environment):
            # An account of a node's own has no home.
            environment = (("HOME", node.root_dir), *environment)
        fingerprint = kind.fingerprint(node.root_dir)
        if not holds(argv, fingerprint):
            raise Bug(f"the command line of {node.name} lacks {fingerprint}: {argv}")
        return Unit(
            name=_plain_name(node),
            argv=argv,
            environment=environment,
            working_dir=node.root_dir,
            log_file=output_log(node),
            fingerprint=fingerprint,
            user=node.user,
            writable=(node.root_dir, node.log_dir),
            read_only=() if node.user is None or self._may_upgrade_itself else (node.program,),
            stop_grace=self._settings.stop_grace,
            found=node.command is not None,
        )

    def _logs_elsewhere(self, node: Node) -> bool:
        """Whether a node that was taken over has its logs where nothing is ours to delete."""
        if node.command is None:
            return False
        try:
            require_inside(node.log_dir, [self._settings.log_storage])
        except Permanent:
            return True
        return False

    def _place(self, program: str, node: Node) -> None:
        """Copy the program. It belongs to us, so that the node's account can run it and not write it."""
        place_file(program, node.program, PROGRAM_MODE)
        for name in self._kinds[node.kind].companion_files:
            beside = Path(program).with_name(name)
            if beside.is_file():
                place_file(str(beside), str(Path(node.program).with_name(name)), COMPANION_MODE)
        if node.user is not None and self._may_upgrade_itself:
            give(node.program, ensure(node.user))

    def _require_ours(self, node: Node) -> None:
        _plain_name(node)
        require_inside(node.root_dir, self._settings.node_storage)
        if not self._logs_elsewhere(node):
            require_inside(node.log_dir, [self._settings.log_storage])
        require_inside(node.program, [node.root_dir])


def _plain_name(node: Node) -> str:
    """The node's name, once it is sure to be nothing but a name: it becomes part of paths and unit names."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", node.name):
        raise Permanent(f"{node.name!r} cannot be the name of a node: only letters, digits, - and _")
    return node.name


def _previous(node: Node) -> str:
    return f"{node.program}.previous"


def _require_fresh(node: Node, companions: Sequence[str]) -> None:
    """Whatever an operator or another program put there is not ours to build on, nor to delete later."""
    placed = (Path(node.program).name, *companions)
    ours = {*placed, *(f".{name}.new" for name in placed)}
    is_folder, foreign = True, []
    with failing(f"cannot look into {node.root_dir}"), suppress(FileNotFoundError):
        is_folder = stat.S_ISDIR(os.lstat(node.root_dir).st_mode)
        foreign = sorted({each.name for each in Path(node.root_dir).iterdir()} - ours) if is_folder else []
    if foreign or not is_folder:
        what = f"already holds {foreign[0]}" if foreign else "is not a folder"
        raise Permanent(f"{node.root_dir} {what}: move it away, or import the node that it belongs to")


MOST_KEY_BYTES = 64 * 1024


def _back_up_key(key_file: str, storage: Path, node: Node, now: datetime) -> None:
    """Return when there is a verified copy (0600) of the node's key, if it has one.

    The copy is `<storage>/<name>-<UTC time>-<peer id, or hash of the key>/<name of the key file>`. A copy of the
    same key from an earlier attempt serves as well. Transient if there is a key and it cannot be copied.
    """
    try:
        key = _read(key_file)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Transient(
            f"cannot back up {key_file}: {error.strerror or error}; nothing was deleted"
        ) from error
    # The peer id is what the node said it is: it becomes part of a path only if it looks like one.
    peer_id = node.peer_id or ""
    is_plain = re.fullmatch(r"[A-Za-z0-9]{1,80}", peer_id)
    tail = peer_id if is_plain else hashlib.sha256(key).hexdigest()[:16]
    copy = storage / f"{node.name}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{tail}" / Path(key_file).name
    try:
        for folder in sorted(storage.glob(f"{node.name}-*-{tail}")):
            earlier = folder / copy.name
            if _is_copy(earlier, key):
                return
            if not earlier.exists():
                # An attempt that was interrupted: this one takes its place.
                copy = earlier
        make_private_dir(str(copy.parent))
        write_file(str(copy), key, 0o600)
        if _is_copy(copy, key):
            return
    except OSError as error:
        raise Transient(
            f"cannot back up {key_file} to {storage}: {error.strerror}; nothing was deleted"
        ) from error
    raise Transient(f"the copy {copy} differs from {key_file}; nothing was deleted")


def _read(path: str | Path) -> bytes:
    with open_regular(str(path), follow_link=False) as file:
        key = file.read(MOST_KEY_BYTES + 1)
    if len(key) > MOST_KEY_BYTES:
        raise OSError(f"it is larger than {MOST_KEY_BYTES} bytes")
    return key


def _is_copy(path: Path, key: bytes) -> bool:
    try:
        return _read(path) == key and stat.S_IMODE(path.stat().st_mode) == 0o600
    except FileNotFoundError:
        return False
