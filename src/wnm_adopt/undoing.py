"""Undoes a takeover for `wnm --undo_migration`: gives the machine back to its former manager, file by file."""

import logging
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from posixpath import dirname

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
from wnm.system.command import run as run_program
from wnm.system.lock import only_one, release_stale
from wnm.system.removal import clear_away
from wnm_adopt.takeover_folder import Sort, Step, TakeoverFolder, takeovers
from wnm_adopt.taking_over import Say, alone_on_the_machine, is_there, on_signals

RELOAD_PATIENCE = timedelta(seconds=60)
UNITS = "/etc/systemd/system/"
NO_CYCLES = "cron starts no cycles of wnm any more"
log = logging.getLogger(__name__)


def undo(run: Context, say: Say) -> int:
    """Undo the newest takeover that was not undone yet; killed anywhere, the same command goes on."""
    if not run.asked.dry_run:
        with on_signals(signal.SIG_IGN):
            return _hand_over_without_schedule(run, say) if lacks_rights(run) else _undo(run, say)
    if lacks_rights(run):
        return hand_over(run)
    folder = _newest(run)
    _refuse_new_nodes(folder, _nodes(run))
    say(f"dry run, nothing is changed\nwould undo the takeover in {folder.path}: would put back")
    for each in folder.manifest.kept:
        if each.sort is not Sort.ABSENT:
            say(f"  {each.path}")
    say(f"would move {run.database_path} to {folder.path}")
    return 0


def _undo(run: Context, say: Say) -> int:
    with alone_on_the_machine(_newest(run).manifest.source), only_one(run.lock_path):
        folder = _newest(run)  # another run may have undone it before this one had the lock
        written = folder.manifest.has(Step.WRITTEN) or is_there(run.database_path)
        if written:
            changed = _go_back(run, folder, say)
        else:
            # Nothing else can have changed yet: the old manager's own files may be newer than ours.
            clear_leftovers(run.database_path)
            folder.give_back(run.clock.now())
            changed = ["nothing had been written yet: what was switched off is on again"]
        for problem in clear_away(folder.manifest.absent_before):
            log.warning("%s", problem)
        # Last of all: from here on the old manager may act again.
        for each in folder.kept_out() if written else ():
            replaced = folder.restore(each)
            say(f"{each.path} is back" if replaced is None else f"{replaced}\n{each.path} is back")
        folder.write(undone_at=run.clock.now())
    release_stale(run.lock_path)
    for line in changed:
        say(line)
    if written:
        say(f"the machine is as it was before {folder.manifest.began_at:%Y-%m-%d %H:%M:%S} UTC")
        say(f"what was kept stays in {folder.path}; delete it when it is of no use any more")
    return 0


def _go_back(run: Context, folder: TakeoverFolder, say: Say) -> list[str]:
    """Everything but what starts the old manager is as it was; what else there is to be told."""
    rows, manifest = _nodes(run), folder.manifest
    _refuse_new_nodes(folder, rows)
    own = files_of(manifest.database)
    back = [path for path in manifest.taken_out if os.path.lexists(path) and path not in own]
    # Files of an old manager that works again are its own: what is kept of them is out of date.
    if back and manifest.undoing_at is None:
        raise NeedsOperator(
            f"{back[0]} is there again, so two managers look after the same nodes",
            remedy=f"move {back[0]} away to undo the takeover, or stop wnm with wnm cron remove",
        )
    for each in manifest.kept:
        parent = Path(each.path).parent
        if each.path in manifest.needed and not parent.is_dir():
            raise NeedsOperator(
                f"{parent} is gone, and without {each.path} the old manager would delete every node",
                remedy=f"put {parent} back first; its manager stays switched off until then",
            )
    folder.write(undoing_at=manifest.undoing_at or run.clock.now())
    if remove_cron_of(run):
        say(NO_CYCLES)
    if rows:
        _take_back_traces(run, rows)
    _restore(folder, say)
    folder.require_needed()
    clear_leftovers(run.database_path)
    if is_there(run.database_path):  # else it is the old manager's own
        for suffix in ("-wal", "-shm", ""):
            aside = folder.path / f"wnm-{Path(run.database_path).name}{suffix}"
            with suppress(FileNotFoundError):
                shutil.move(f"{run.database_path}{suffix}", aside)
    _put_log_away(run, folder)
    return _changed_since(rows, folder) + folder.differing()


def _hand_over_without_schedule(run: Context, say: Say) -> int:
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


def _changed_since(rows: Sequence[Node], folder: TakeoverFolder) -> list[str]:
    """Return a line for each node that was removed, or is in another state than the old manager left it in."""
    before, names = set(folder.manifest.running), {node.name for node in rows}
    lines = []
    for node in rows if before else ():
        runs = node.status in (Status.RUNNING, Status.RESTARTING, Status.UPGRADING)
        if node.name in before and not runs:
            lines.append(f"{node.name} ran before and is stopped now: sudo systemctl start {node.name}")
        elif node.name not in before and runs:
            lines.append(
                f"{node.name} was stopped before and runs now: its manager thinks that it is stopped"
            )
    return lines + [
        f"{name} was removed since: its unit is back, its data and its firewall rule are not"
        for name in folder.manifest.units
        if rows and name not in names
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


def _refuse_new_nodes(folder: TakeoverFolder, rows: Sequence[Node]) -> None:
    """Nodes that wnm added would be left without anybody: the old manager has never heard of them."""
    own = [node.name for node in rows if node.name not in folder.manifest.units]
    if own:
        raise NeedsOperator(
            f"{len(own)} node(s) were added since the takeover, and the old manager does not know them",
            remedy="remove them first, their keys are kept: wnm --force_action remove --confirm "
            f"--service_name {','.join(own)}",
        )


def _take_back_traces(run: Context, rows: Sequence[Node]) -> None:
    """Remove what wnm added to nodes that go back: rules of the firewall, programs kept beside theirs, markers."""
    with open_for_reading(run.database_path) as database:
        ledger = Ledger(database)
        settings, identity = run.resolve(ledger.layers()).settings, ledger.identity().uuid
    for folder in settings.node_storage:
        unmark(folder, identity)
    backends = run.wiring.build(settings, run.clock)
    for node in rows:
        try:
            backends.firewall.close_port(node.port, port_comment(node.name))
            if os.path.lexists(node.root_dir):
                backends.manager.forget_former_program(node)
        except WnmError as error:
            log.warning("%s: %s", node.name, error)


def _restore(folder: TakeoverFolder, say: Say) -> None:
    manifest = folder.manifest
    if not manifest.has(Step.BACKED_UP):
        return
    waiting = {each.path for each in folder.kept_out()}

    def stamp(path: str) -> object:
        seen = os.lstat(path) if os.path.lexists(path) else None
        return seen and (seen.st_ino, seen.st_mtime_ns)

    reloaded = False
    for each in manifest.kept:
        if each.path in waiting or each.path in files_of(manifest.database):
            continue
        if each.sort is not Sort.ABSENT and not Path(each.path).parent.is_dir():
            say(f"{each.path} is not put back: its folder is gone")
            continue
        before = stamp(each.path)
        replaced = folder.restore(each)
        if replaced is not None and each.path not in manifest.made:  # what wnm made is nobody's loss
            say(replaced)
        reloaded = reloaded or (each.path.startswith(UNITS) and stamp(each.path) != before)
    if reloaded:
        run_program(("systemctl", "daemon-reload"), RELOAD_PATIENCE)
    say(f"{len(manifest.kept) - len(waiting)} files are as they were, proven by checksum")


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
