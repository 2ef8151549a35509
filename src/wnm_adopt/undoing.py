"""Undoes a takeover for `wnm --undo_migration`: gives the machine back to its former manager, file by file."""

import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from posixpath import dirname

from msgspec.structs import replace

from wnm.act.places import unmark
from wnm.app.context import Context
from wnm.app.elevate import hand_over, lacks_rights
from wnm.app.schedule import SYSTEM_LOGS, log_file_of, place_of, remove_cron_of
from wnm.core.action import port_comment
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.node import Node, Status
from wnm.storage.creation import clear_leftovers
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.storage.old_database import files_of
from wnm.system.clock import SystemClock
from wnm.system.command import run as run_program
from wnm.system.lock import only_one, release_stale
from wnm.system.removal import clear_away
from wnm_adopt.takeover_folder import Kept, Sort, Step, TakeoverFolder, takeovers
from wnm_adopt.taking_over import alone_on_the_machine, give_back, is_there, require_needed
from wnm_adopt.to_the_end import say, undisturbed

RELOAD_PATIENCE = timedelta(seconds=60)
UNITS = "/etc/systemd/system/"
NO_CYCLES = "cron starts no cycles of wnm any more"
log = logging.getLogger(__name__)


def undo(run: Context) -> int:
    """Undo the newest takeover that was not undone yet; killed anywhere, the same command goes on."""
    if run.asked.dry_run:
        if lacks_rights(run):
            return hand_over(run)
        _tell_plan(_newest(run), run)
        return 0
    with undisturbed():
        return _hand_over_without_schedule(run) if lacks_rights(run) else _undo(run)


def _undo(run: Context) -> int:
    source = _newest(run).manifest.source
    with alone_on_the_machine(source), only_one(run.lock_path):
        folder = _newest(run)  # another run may have undone it before this one had the lock
        written = folder.manifest.has(Step.WRITTEN) or is_there(run.database_path)
        changed = _go_back(run, folder) if written else _give_up(run, folder)
        for problem in clear_away(folder.manifest.absent_before):
            log.warning("%s", problem)
        # Last of all: from here on the old manager may act again.
        for each in _taken_out(folder) if written else ():
            _tell(folder.restore(each))
            say(f"{each.path} is back")
        folder.write(replace(folder.manifest, undone_at=SystemClock().now()))
    release_stale(run.lock_path)
    for line in changed:
        say(line)
    if written:
        say(f"the machine is as it was before {folder.manifest.began_at:%Y-%m-%d %H:%M:%S} UTC")
        say(f"what was kept stays in {folder.path}; delete it when it is of no use any more")
    return 0


def _go_back(run: Context, folder: TakeoverFolder) -> list[str]:
    """Everything but what starts the old manager is as it was; what else there is to be told."""
    _refuse_new_nodes(run, folder)
    _refuse_live(folder)
    require_restorable(folder)
    folder.write(replace(folder.manifest, undoing_at=folder.manifest.undoing_at or SystemClock().now()))
    if remove_cron_of(run):
        say(NO_CYCLES)
    changed = _changed_since(run, folder)
    _take_back_traces(run)
    _restore(folder)
    require_needed(folder)
    clear_leftovers(run.database_path)
    _put_database_away(run, folder)
    _put_log_away(run, folder)
    return changed + folder.differing()


def _give_up(run: Context, folder: TakeoverFolder) -> list[str]:
    """Before there was a database nothing else can have changed: the old manager's own files may be newer than ours."""
    clear_leftovers(run.database_path)
    give_back(folder, SystemClock())
    return ["nothing had been written yet: what was switched off is on again"]


def _hand_over_without_schedule(run: Context) -> int:
    """Root's part does not see the account's own crontab; its line is back there if nothing was undone."""
    place = place_of(run)
    line = place.line()
    if line is not None:
        place.remove()
        say(NO_CYCLES)
    code = 1
    try:
        code = hand_over(run)
    finally:
        if code != 0 and line is not None and os.path.lexists(run.database_path):
            place.install(line)
    return code


def _refuse_live(folder: TakeoverFolder) -> None:
    """Files of an old manager that works again are its own: what is kept of them is out of date."""
    own = files_of(folder.manifest.database)
    back = [path for path in folder.manifest.taken_out if os.path.lexists(path) and path not in own]
    if back and folder.manifest.undoing_at is None:
        raise NeedsOperator(
            f"{back[0]} is there again, so two managers look after the same nodes",
            remedy=f"move {back[0]} away to undo the takeover, or stop wnm with wnm cron remove",
        )


def require_restorable(folder: TakeoverFolder) -> None:
    """NeedsOperator, before anything is changed, if a folder is gone that files have to be put back in."""
    for each in folder.manifest.kept:
        parent = Path(each.path).parent
        if each.path in folder.manifest.needed and not parent.is_dir():
            raise NeedsOperator(
                f"{parent} is gone, and without {each.path} the old manager would delete every node",
                remedy=f"put {parent} back first; its manager stays switched off until then",
            )


def _changed_since(run: Context, folder: TakeoverFolder) -> list[str]:
    """Return a line for each node that was removed, or is in another state than the old manager left it in."""
    before = set(folder.manifest.running)
    rows = _nodes(run)
    lines = []
    for node in rows if before else ():
        runs = node.status in (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)
        if node.name in before and not runs:
            lines.append(f"{node.name} ran before and is stopped now: sudo systemctl start {node.name}")
        elif node.name not in before and runs:
            lines.append(
                f"{node.name} was stopped before and runs now: its manager thinks that it is stopped"
            )
    gone = (
        [name for name in folder.manifest.units if name not in {node.name for node in rows}] if rows else []
    )
    return lines + [
        f"{name} was removed since: its unit is back, its data and its firewall rule are not" for name in gone
    ]


def _newest(run: Context) -> TakeoverFolder:
    data = dirname(run.database_path)
    open_ones = [
        each
        for each in takeovers(data)
        if each.manifest.undone_at is None and each.manifest.database == run.database_path
    ]
    if not open_ones:
        raise BadInput(
            f"there is no takeover to undo in {data}, nothing was changed: "
            "give --dbpath if it was made with another database"
        )
    return open_ones[-1]


def _nodes(run: Context) -> tuple[Node, ...]:
    if not os.path.lexists(run.database_path):
        return ()
    try:
        with open_for_reading(run.database_path) as database:
            return Ledger(database).nodes()
    except WnmError as error:
        log.warning("the database is of no use, so what wnm did since cannot be told: %s", error)
        return ()


def _refuse_new_nodes(run: Context, folder: TakeoverFolder) -> None:
    """Nodes that wnm added would be left without anybody: the old manager has never heard of them."""
    own = [node.name for node in _nodes(run) if node.name not in folder.manifest.units]
    if own:
        raise NeedsOperator(
            f"{len(own)} node(s) were added since the takeover, and the old manager does not know them",
            remedy="remove them first, their keys are kept: wnm --force_action remove --confirm "
            f"--service_name {','.join(own)}",
        )


def _take_back_traces(run: Context) -> None:
    """Remove what wnm added to nodes that go back: rules of the firewall, programs kept beside theirs, markers."""
    nodes = _nodes(run)
    if not nodes:
        return
    with open_for_reading(run.database_path) as database:
        ledger = Ledger(database)
        settings, identity = run.resolve(ledger.layers()).settings, ledger.identity().uuid
    for folder in settings.node_storage:
        unmark(folder, identity)
    backends = run.wiring.build(settings, run.clock)
    for node in nodes:
        try:
            backends.firewall.close_port(node.port, port_comment(node.name))
            if os.path.lexists(node.root_dir):
                backends.manager.forget_former_program(node)
        except WnmError as error:
            log.warning("%s: %s", node.name, error)


def _restore(folder: TakeoverFolder) -> None:
    manifest = folder.manifest
    waiting = {each.path for each in _taken_out(folder)}
    if not manifest.has(Step.BACKED_UP):
        return
    reloaded = False
    for each in manifest.kept:
        if each.path in waiting or each.path in files_of(manifest.database):
            continue
        if each.sort is not Sort.ABSENT and not Path(each.path).parent.is_dir():
            say(f"{each.path} is not put back: its folder is gone")
            continue
        before = _stamp(each.path)
        replaced = folder.restore(each)
        _tell(None if each.path in manifest.made else replaced)  # what wnm made is nobody's loss
        reloaded = reloaded or (each.path.startswith(UNITS) and _stamp(each.path) != before)
    if reloaded:
        run_program(("systemctl", "daemon-reload"), RELOAD_PATIENCE)
    say(f"{len(manifest.kept) - len(waiting)} files are as they were, proven by checksum")


def _stamp(path: str) -> object:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns


def _taken_out(folder: TakeoverFolder) -> Sequence[Kept]:
    manifest = folder.manifest
    return [kept for path in manifest.taken_out if (kept := manifest.kept_at(path)) is not None]


def _put_database_away(run: Context, folder: TakeoverFolder) -> None:
    """wnm's own database goes to the folder of the takeover: it may still have something to tell."""
    if not is_there(run.database_path):
        return  # what may lie there now is the old manager's own
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            shutil.move(
                f"{run.database_path}{suffix}", folder.path / f"wnm-{Path(run.database_path).name}{suffix}"
            )


def _put_log_away(run: Context, folder: TakeoverFolder) -> None:
    """The log of root's cycles too, where it is kept in its usual place."""
    log_file = Path(log_file_of(run))
    if run.asked.log_file is not None or log_file.parent != SYSTEM_LOGS:
        return
    for file in (log_file, log_file.with_name(f"{log_file.name}.1")):
        try:
            shutil.move(file, folder.path / file.name)
        except FileNotFoundError:
            continue
        except OSError as error:  # it may be another disk, a full one
            log.warning("%s stays: %s", file, error.strerror)
    with suppress(OSError):  # the log of another database may be in it
        log_file.parent.rmdir()


def _tell(replaced: str | None) -> None:
    if replaced is not None:
        say(replaced)


def _tell_plan(folder: TakeoverFolder, run: Context) -> None:
    _refuse_new_nodes(run, folder)
    print(f"dry run, nothing is changed\nwould undo the takeover in {folder.path}: would put back")
    paths: Iterable[str] = (each.path for each in folder.manifest.kept if each.sort is not Sort.ABSENT)
    for path in paths:
        print(f"  {path}")
    print(f"would move {run.database_path} to {folder.path}")
