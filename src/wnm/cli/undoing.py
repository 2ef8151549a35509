"""`wnm --undo_migration`: gives the machine back to what managed it before, file by file and proven."""

import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from posixpath import dirname

from wnm.cli.cron import remove_cron_of
from wnm.cli.rights import hand_over, lacks_rights
from wnm.cli.run import Run
from wnm.core.action import port_comment
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.node import Node
from wnm.record.creation import clear_leftovers
from wnm.record.database import open_for_reading
from wnm.record.ledger import Ledger
from wnm.record.old_colony import files_of
from wnm.system.clock import SystemClock
from wnm.system.command import run as run_program
from wnm.system.lock import only_one, release_stale
from wnm.system.traces import clear_away
from wnm.takeover.folder import TakeoverFolder, takeovers
from wnm.takeover.manifest import Kept, Sort, Step
from wnm.wiring import build_machine

RELOAD_PATIENCE = timedelta(seconds=60)
UNITS = "/etc/systemd/system/"
log = logging.getLogger(__name__)


def undo(run: Run) -> int:
    """Undo the newest takeover that was not undone yet; killed anywhere, the same command goes on."""
    if lacks_rights(run):
        return hand_over(run)
    folder = _newest(run)
    if run.asked.dry_run:
        _tell_plan(folder, run)
        return 0
    with only_one(run.lock_path):
        _refuse_new_nodes(run, folder)
        if remove_cron_of(run):
            print("cron starts no cycles of wnm any more")
        _take_back_traces(run)
        _restore(folder)
        clear_leftovers(run.database_path)
        _put_database_away(run, folder)
        for problem in clear_away(folder.manifest.absent_before):
            log.warning("%s", problem)
        # Last of all: from here on the old manager may act again.
        for each in _taken_out(folder):
            _tell(folder.restore(each))
            print(f"{each.path} is back")
        folder.write(replace(folder.manifest, undone_at=SystemClock().now()))
    release_stale(run.lock_path)
    print(f"the machine is as it was before {folder.manifest.began_at:%Y-%m-%d %H:%M:%S} UTC")
    print(f"what was kept stays in {folder.path}; delete it when it is of no use any more")
    return 0


def _newest(run: Run) -> TakeoverFolder:
    data = dirname(run.database_path)
    open_ones = [
        each
        for each in takeovers(data)
        if each.manifest.undone_at is None and each.manifest.database == run.database_path
    ]
    if not open_ones:
        raise BadInput(f"there is no takeover to undo in {data}: nothing was changed")
    return open_ones[-1]


def _nodes(run: Run) -> tuple[Node, ...]:
    if not os.path.lexists(run.database_path):
        return ()
    with open_for_reading(run.database_path) as database:
        return Ledger(database).nodes()


def _refuse_new_nodes(run: Run, folder: TakeoverFolder) -> None:
    """Nodes that wnm added would be left without anybody: the old manager has never heard of them."""
    own = [node.name for node in _nodes(run) if node.name not in folder.manifest.units]
    if own:
        raise NeedsOperator(
            f"{len(own)} node(s) were added since the takeover, and the old manager does not know them",
            remedy="remove them first, their keys are kept: wnm --force_action remove --confirm "
            f"--service_name {','.join(own)}",
        )


def _take_back_traces(run: Run) -> None:
    """What wnm added to nodes that go back: rules of the firewall, and programs that it kept beside theirs."""
    nodes = _nodes(run)
    if not nodes:
        return
    with open_for_reading(run.database_path) as database:
        settings = run.resolve(Ledger(database).settings()).settings
    hands = build_machine(settings, SystemClock(), began=run.began).hands
    for node in nodes:
        try:
            hands.firewall.close_port(node.port, port_comment(node.name))
            if os.path.lexists(node.root_dir):
                hands.manager.forget_former_program(node)
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
            print(f"{each.path} is not put back: its folder is gone")
            continue
        before = _stamp(each.path)
        _tell(folder.restore(each))
        reloaded = reloaded or (each.path.startswith(UNITS) and _stamp(each.path) != before)
    if reloaded:
        run_program(("systemctl", "daemon-reload"), RELOAD_PATIENCE)
    print(f"{len(manifest.kept) - len(waiting)} files are as they were, proven by checksum")


def _stamp(path: str) -> object:
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns


def _taken_out(folder: TakeoverFolder) -> Sequence[Kept]:
    manifest = folder.manifest
    return [kept for path in manifest.taken_out if (kept := manifest.kept_at(path)) is not None]


def _put_database_away(run: Run, folder: TakeoverFolder) -> None:
    """wnm's own database goes to the folder of the takeover: it may still have something to tell."""
    if not folder.manifest.has(Step.WRITTEN) and run.database_path in folder.manifest.taken_out:
        return  # what lies there now is the old manager's own
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            shutil.move(
                f"{run.database_path}{suffix}", folder.path / f"wnm-{Path(run.database_path).name}{suffix}"
            )


def _tell(replaced: str | None) -> None:
    if replaced is not None:
        print(replaced)


def _tell_plan(folder: TakeoverFolder, run: Run) -> None:
    _refuse_new_nodes(run, folder)
    print(f"dry run, nothing is changed\nwould undo the takeover in {folder.path}: would put back")
    paths: Iterable[str] = (each.path for each in folder.manifest.kept if each.sort is not Sort.ABSENT)
    for path in paths:
        print(f"  {path}")
    print(f"would move {run.database_path} to {folder.path}")
