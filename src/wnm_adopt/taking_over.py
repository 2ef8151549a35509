"""Takes nodes over for `wnm --init`: plans, shows, carries out step by step, looks at the nodes; and undoes it."""

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from posixpath import dirname

from msgspec.structs import replace

from wnm.act.places import unmark
from wnm.app.context import Context
from wnm.app.elevate import hand_over, lacks_rights
from wnm.app.init import things_missing
from wnm.app.run_cycle import look_and_decide
from wnm.app.schedule import SYSTEM_LOGS, log_file_of, place_of, remove_cron_of
from wnm.core.action import Resurvey, port_comment
from wnm.core.contracts import Clock
from wnm.core.decide.ladder import decide
from wnm.core.errors import BadInput, NeedsOperator, Transient, WnmError
from wnm.core.layers import Layer, Resolved
from wnm.core.node import Node, ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, ProcessReading, Unseen
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.host import system_id
from wnm.storage.creation import already_there, clear_leftovers, create
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.storage.old_database import files_of, is_old_colony
from wnm.system.command import run as run_program
from wnm.system.files import make_private_dir
from wnm.system.lock import only_one, release_stale
from wnm.system.removal import clear_away
from wnm.views.actions import names_of, words_of
from wnm.views.words import printable
from wnm_adopt.anm import FromAnm
from wnm_adopt.classify import row_of
from wnm_adopt.from_services import FromServices
from wnm_adopt.old_wnm import FromOldWnm
from wnm_adopt.plan import Source, TakeoverPlan, plan_text
from wnm_adopt.takeover_folder import Manifest, Sort, Step, TakeoverFolder, takeovers

# A process that cron has just begun may take this long to show.
QUIET_FOR = timedelta(seconds=3)
PATIENCE = timedelta(minutes=5)
LOOK_EVERY = timedelta(seconds=0.5)
UNDO = "wnm --undo_migration"
MACHINE_LOCK = "/run/wnm-takeover"
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

type Say = Callable[[str], None]
"""Tells people a line at once; nothing that goes wrong with that stops anything."""


def take_over(run: Context, say: Say) -> int:
    """Take over as the command line says. Exit code 3 if something is in the way; then nothing was changed."""
    if lacks_rights(run):
        return hand_over(run)
    source: Source
    if run.asked.migrate_anm:
        source = FromAnm(run)
    elif run.asked.import_services:
        source = FromServices(run)
    else:
        source = FromOldWnm(run, run.asked.migrate_wnm or run.database_path)
    begun = _begun(run, source)
    if run.asked.dry_run:
        plan = source.look(begun)
        say(f"dry run, nothing is changed\n{plan_text(plan, database=run.database_path)}")
        if not plan.problems:
            _resolved(run, plan)
        return 3 if plan.problems else 0
    with _folder_of(run.database_path), alone_on_the_machine(source.name), only_one(run.lock_path):
        begun = _begun(run, source)  # another run may have gone on, or back, before this one had the lock
        clear_leftovers(run.database_path)
        if is_there(run.database_path) and begun is not None:
            begun.done(Step.WRITTEN, run.clock.now())
        else:
            begun = _carry_out(run, source, begun, say)
        code = verify(run, say)
        if begun is not None:
            begun.done(Step.VERIFIED, run.clock.now())
    say("\nno node was restarted; nothing looks after the nodes until cron starts wnm:")
    say("  wnm --dry_run        # what the first cycle would do")
    say("  wnm cron install     # a cycle every minute from now on")
    if begun is not None:
        say(f"  {UNDO}   # puts back everything; its copies are in {begun.path}")
    return code


@contextmanager
def on_signals(handler: "signal.Handlers | Callable[[int, object], None]") -> Iterator[None]:
    """Have this done at a signal that would end us: SIG_IGN lets nothing interrupt us, nor the programs we start."""
    before = {each: signal.signal(each, handler) for each in SIGNALS}
    try:
        yield
    finally:
        for each, former in before.items():
            signal.signal(each, former)


@contextmanager
def alone_on_the_machine(source: str) -> Iterator[None]:
    """Two accounts, each with a database of its own, do not take over from the same anm at one time."""
    if source != "anm":
        yield
        return
    try:
        with only_one(MACHINE_LOCK):
            yield
    finally:
        with suppress(WnmError):
            release_stale(MACHINE_LOCK)


@contextmanager
def _folder_of(path: str) -> Iterator[None]:
    """The folder of the database is there; one that was made goes again when nothing comes into it.

    One that is there stays as it is: nodes may have to pass through it.
    """
    folder = Path(dirname(path))
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    if missing:
        make_private_dir(str(folder))
    try:
        yield
    except WnmError:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise


def _begun(run: Context, source: Source) -> TakeoverFolder | None:
    """A takeover from the same source that was begun and neither finished nor undone, or whose database is lost.

    NeedsOperator if one is on its way back, which has to arrive there first; BadInput if there is a database already.
    """
    written = is_there(run.database_path)
    found = None
    for folder in takeovers(dirname(run.database_path)):
        manifest = folder.manifest
        if manifest.undone_at is not None:
            continue
        if manifest.undoing_at is not None:
            raise NeedsOperator(
                f"the takeover in {folder.path} is half undone", remedy=f"finish it with: {UNDO}"
            )
        if (manifest.source, manifest.database) != (source.name, run.database_path):
            continue
        if manifest.finished:
            # A second one would find the old manager switched off, and not know the way back.
            goes_on = not written and not (manifest.taken_out and folder.is_back())
        else:
            goes_on = written or manifest.has(Step.WRITTEN) or not folder.is_back()
        found = folder if goes_on else found
    if written and found is None:
        raise already_there(run.database_path)
    return found


def _carry_out(run: Context, source: Source, begun: TakeoverFolder | None, say: Say) -> TakeoverFolder | None:
    """Write the database; the folder with what was switched off for that, None if nothing was."""
    plan = source.look(begun)
    say(plan_text(plan, database=run.database_path) + "\n")
    if plan.problems:
        raise NeedsOperator(
            f"{len(plan.problems)} thing(s) are in the way of taking over, nothing was changed: {plan.problems[0]}",
            remedy="see the list above, then run the same command again",
        )
    settings = _resolved(run, plan).settings
    run.wiring.check(settings)
    absent = things_missing(run, settings)
    if not source.switches_off:
        _write(run, plan, absent, say)
        return None
    manifest = Manifest(
        source=source.name, database=run.database_path, began_at=run.clock.now(), absent_before=absent
    )
    folder = begun or TakeoverFolder.create(dirname(run.database_path), manifest)

    def write(final: TakeoverPlan) -> None:
        # After the loss of a database there may be nodes that wnm added: the old manager does not know those.
        anew = folder.manifest.has(Step.WRITTEN)
        if not anew:
            folder.write(
                units=(*(each.row.name for each in final.adopted), *(node.name for node in final.rows))
            )
        running = _write(run, final, folder.manifest.absent_before, say)
        if not anew:
            folder.write(running=running)

    def end(number: int, frame: object) -> None:
        for each in SIGNALS:  # the way back is not to be interrupted by more of the same
            signal.signal(each, signal.SIG_IGN)
        raise Transient(
            f"ended by {signal.Signals(number).name}: the takeover is not finished, run the same command again"
        )

    # A lost connection or an impatient person ends this at once, but not before the machine has a manager again.
    with on_signals(end):
        switch_over(folder, plan, source, write, run.clock, say)
    return folder


def switch_over(
    folder: TakeoverFolder,
    plan: TakeoverPlan,
    source: Source,
    write: Callable[[TakeoverPlan], None],
    clock: Clock,
    say: Say,
) -> None:
    """Return when the database is written, by `write`, from the plan as it is once the old manager has ended.

    May be killed anywhere and called again with the same folder, also when the database was lost later. Whatever keeps
    it from going on the first time gives the machine back to its old manager: NeedsOperator then says why. Each step
    is said before it is taken.
    """
    say(f"keeping copies of {len(plan.kept)} files in {folder.path}")
    folder.write(needed=plan.needed)
    folder.keep(plan.kept)
    folder.note(source.noted)
    folder.done(Step.BACKED_UP, clock.now())
    try:
        for path in plan.taken_out:
            say(f"moving {path} into {folder.path}")
            folder.take_out(path)
        folder.done(Step.DISABLED, clock.now())
        _wait_for_end(source, clock, say)
        if not folder.manifest.has(Step.QUIET):  # what came later is not the old manager's
            folder.keep_again()
            folder.done(Step.QUIET, clock.now())
        say("reading everything again")
        final = source.look(folder)
        folder.keep(final.kept)
        if final.problems:
            raise NeedsOperator(
                "what is there changed meanwhile: " + "; ".join(final.problems),
                remedy="run the same command again",
            )
        for path in final.to_own:
            say(f"giving {path} to root")
            folder.take_ownership(path)
        for path, text in final.made:
            say(f"writing {path}")
            folder.make(path, text)
        write(final)
    except BaseException:
        # Long after a takeover, when only its database was lost, the old manager knows nothing of the machine any more.
        if not is_there(folder.manifest.database) and not folder.manifest.has(Step.WRITTEN):
            say("giving the machine back to its old manager")
            folder.give_back(clock.now())
        raise
    folder.done(Step.WRITTEN, clock.now())


def _wait_for_end(source: Source, clock: Clock, say: Say) -> None:
    """Return when no process of the old manager has been seen for a while: cron may just have begun one."""
    began = quiet_since = clock.monotonic()
    told: Sequence[int] = ()
    while True:
        running = source.running()
        now = clock.monotonic()
        if not running and now - quiet_since >= QUIET_FOR.total_seconds():
            return
        if running:
            quiet_since = now
            if running != told:
                say(f"waiting for process {', '.join(map(str, running))} of the old manager to end")
                told = running
            if now - began > PATIENCE.total_seconds():
                raise NeedsOperator(
                    f"process {running[0]} of the old manager still runs after {PATIENCE.total_seconds():g} s",
                    remedy="let it end, or end it if it hangs, then run the same command again",
                )
        clock.sleep(LOOK_EVERY.total_seconds())


def is_there(path: str) -> bool:
    """Whether there is a database that is not an older wnm's."""
    return os.path.lexists(path) and not is_old_colony(path)


def _resolved(run: Context, plan: TakeoverPlan) -> Resolved:
    """The settings: what was given, then what was found. BadInput if they cannot be."""
    return replace(run, layers=(*run.layers, Layer(name=plan.source, values=plan.settings))).resolve(None)


def _write(run: Context, plan: TakeoverPlan, absent: Sequence[str], say: Say) -> tuple[str, ...]:
    """Write the database, whole, from the plan and from what runs at this moment; the names of nodes that do."""
    resolved = _resolved(run, plan)
    now = run.clock.now()
    rows = [row_of(each, now=now, born=_born(each.row)) for each in plan.adopted]
    states = run.wiring.build(resolved.settings, run.clock).manager.survey_nodes(rows)
    nodes = [
        row if row.status is Status.DISABLED else replace(row, status=_status(states.get(row.id)))
        for row in rows
    ]
    nodes += [replace(row, born=_born(row) or row.born) for row in plan.rows]
    say(f"writing {len(nodes)} nodes to {run.database_path}")
    create(
        run.database_path,
        settings=resolved.initial_texts(),
        now=now,
        absent_before=absent,
        system_id=system_id(),
        nodes=nodes,
    )
    return tuple(node.name for node in nodes if node.status is Status.RUNNING)


def _status(reading: ProcessReading | Unseen | None) -> Status:
    """One that cannot be seen counts as running too: nobody said that it had stopped."""
    if isinstance(reading, ProcessReading) and reading.state not in (
        ProcessState.RUNNING,
        ProcessState.UNKNOWN,
    ):
        return Status.STOPPED
    return Status.RUNNING


def _born(row: Node) -> datetime | None:
    try:
        return datetime.fromtimestamp(Path(KINDS[row.kind].identity_file(row.root_dir)).stat().st_mtime, UTC)
    except OSError:
        return None


def verify(run: Context, say: Say) -> int:
    """Say a line for each node; 0, or 1 if one that counts as running was not seen to run."""
    with open_for_reading(run.database_path) as database:
        ledger = Ledger(database)
        settings = run.resolve(ledger.layers()).settings
        backends = run.wiring.build(settings, run.clock)
        plan = look_and_decide(ledger.load(), settings, backends, run.clock, decide)
    told = [(each.node.name, *_told(each)) for each in plan.seen.nodes]
    say(f"\nseen after the takeover: {len(told)} node(s)")
    for name, words, _ in told:
        say(f"  {name}: {printable(words)}")
    names = names_of((each.node for each in plan.seen.nodes), plan.decision)
    actions = [
        words_of(action, names) for action in plan.decision.actions if not isinstance(action, Resurvey)
    ]
    say(f"the first cycle would do: {printable(', '.join(actions)) if actions else 'nothing'}")
    return 0 if all(well for _, _, well in told) else 1


def _told(each: NodeSeen) -> tuple[str, bool]:
    node, reading = each.node, each.reading
    parts = [str(node.status)]
    process = reading.process
    if isinstance(process, ProcessReading):
        parts.append(f"process {process.pid} {process.state}" if process.pid else f"process {process.state}")
    else:
        parts.append(f"process not seen: {process.reason}")
    if reading.reachable is not None:
        parts.append(f"metrics port {node.metrics_port} {reading.reachable}")
    if isinstance(reading.page, NodePage) and reading.page.version:
        parts.append(f"version {reading.page.version}")
    if reading.root_dir_present is not True:
        parts.append(f"its folder {node.root_dir} is not there: mount its disk, nothing is removed")
    well = (
        node.status is not Status.RUNNING
        or not reading.has_pages
        or reading.reachable is Reachability.ANSWERS
    )
    return ", ".join(parts), well


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
