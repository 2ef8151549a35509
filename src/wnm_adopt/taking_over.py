"""Takes nodes over for `wnm --init`: plans, shows the plan, carries it out step by step, and looks at the nodes."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from posixpath import dirname

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.context import Context
from wnm.app.elevate import hand_over, lacks_rights
from wnm.app.run_cycle import look_and_decide
from wnm.core.action import Resurvey
from wnm.core.backends import traits_of
from wnm.core.contracts import Clock
from wnm.core.decide.ladder import decide
from wnm.core.errors import NeedsOperator, Transient, WnmError
from wnm.core.layers import Layer, Resolved
from wnm.core.node import Node, ProcessState, Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, ProcessReading, Unseen
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.host import system_id
from wnm.storage.creation import already_there, clear_leftovers, create
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.storage.old_database import is_old_colony
from wnm.system.clock import SystemClock
from wnm.system.files import make_private_dir
from wnm.system.lock import only_one, release_stale
from wnm.system.removal import absent_account, absent_folders
from wnm.views.actions import names_of, words_of
from wnm.views.words import printable
from wnm_adopt.classify import row_of
from wnm_adopt.plan import Source, TakeoverPlan, plan_text
from wnm_adopt.takeover_folder import Manifest, Sort, Step, TakeoverFolder, takeovers
from wnm_adopt.to_the_end import SIGNALS, say

# A process that cron has just begun may take this long to show.
QUIET_FOR = timedelta(seconds=3)
PATIENCE = timedelta(minutes=5)
LOOK_EVERY = timedelta(seconds=0.5)


class Steps(Struct, frozen=True, kw_only=True):
    """The steps, as functions.

    `look` plans from what is there now. `running` are the processes of the old manager, `write` makes the database
    from a plan, `is_written` says whether it is there. `tell` says each step to people before it is taken. `noted`
    are files of which copies are taken for people only.
    """

    look: Callable[[], TakeoverPlan]
    running: Callable[[], Sequence[int]]
    write: Callable[[TakeoverPlan], None]
    is_written: Callable[[], bool]
    tell: Callable[[str], None]
    clock: Clock
    noted: Sequence[str] = ()
    patience: timedelta = PATIENCE
    quiet_for: timedelta = QUIET_FOR


def switch_over(folder: TakeoverFolder, plan: TakeoverPlan, steps: Steps) -> TakeoverPlan:
    """Return, when the database is written, the plan that it was written from.

    May be killed anywhere and called again with the same folder, also when the database was lost later. Whatever keeps
    it from going on the first time gives the machine back to its old manager: NeedsOperator then says why.
    """
    clock = steps.clock
    if steps.is_written():
        folder.done(Step.WRITTEN, clock.now())
        return plan
    steps.tell(f"keeping copies of {len(plan.kept)} files in {folder.path}")
    folder.write(replace(folder.manifest, needed=plan.needed))
    folder.keep(plan.kept)
    folder.note(steps.noted)
    folder.done(Step.BACKED_UP, clock.now())
    try:
        for path in plan.taken_out:
            steps.tell(f"moving {path} into {folder.path}")
            folder.take_out(path)
        folder.done(Step.DISABLED, clock.now())
        _wait_for_end(steps)
        if not folder.manifest.has(Step.QUIET):  # what came later is not the old manager's
            folder.keep_again()
            folder.done(Step.QUIET, clock.now())
        steps.tell("reading everything again")
        final = steps.look()
        folder.keep(final.kept)
        if final.problems:
            raise NeedsOperator(
                "what is there changed meanwhile: " + "; ".join(final.problems),
                remedy="run the same command again",
            )
        for path in final.to_own:
            steps.tell(f"giving {path} to root")
            folder.take_ownership(path)
        _make(folder, final, steps)
        steps.write(final)
    except BaseException:
        # Long after a takeover, when only its database was lost, the old manager knows nothing of the machine any more.
        if not steps.is_written() and not folder.manifest.has(Step.WRITTEN):
            steps.tell("giving the machine back to its old manager")
            give_back(folder, clock)
        raise
    folder.done(Step.WRITTEN, clock.now())
    return final


def give_back(folder: TakeoverFolder, clock: Clock) -> None:
    """Put back what was taken out and take away what was made, as if nothing had been.

    NeedsOperator, and the old manager stays switched off, if it would take the machine for one to be torn down.
    """
    require_needed(folder)
    manifest = folder.manifest
    made = [kept for path in manifest.made if (kept := manifest.kept_at(path)) is not None]
    problems: list[WnmError] = []
    for kept in [*(each for each in manifest.kept if each.sort is Sort.FOLDER), *made]:
        try:
            folder.restore(kept)
        except WnmError as error:  # such as a full disk: the nodes need a manager all the same
            problems.append(error)
    for path in manifest.taken_out:
        kept_out = manifest.kept_at(path)
        if kept_out is not None:
            folder.restore(kept_out)
    if problems:
        raise problems[0]
    folder.write(replace(folder.manifest, undone_at=clock.now()))


def require_needed(folder: TakeoverFolder) -> None:
    """NeedsOperator if the old manager must not be started: a file is gone whose absence is an order to it."""
    missing = folder.missing()
    if missing:
        raise NeedsOperator(
            f"{missing[0]} is gone: with its manager switched on again every node would be deleted, so it stays off",
            remedy=f"put {missing[0]} back (a copy is in {folder.path}), then run wnm --undo_migration",
        )


def _make(folder: TakeoverFolder, plan: TakeoverPlan, steps: Steps) -> None:
    for path, text in plan.made:
        steps.tell(f"writing {path}")
        folder.keep([path])
        folder.note_made(path)
        folder.put(path, text)


def _wait_for_end(steps: Steps) -> None:
    """Return when no process of the old manager has been seen for a while: cron may just have begun one."""
    clock = steps.clock
    began = clock.monotonic()
    quiet_since = began
    told: tuple[int, ...] = ()
    while True:
        running = tuple(steps.running())
        now = clock.monotonic()
        if not running and now - quiet_since >= steps.quiet_for.total_seconds():
            return
        if running:
            quiet_since = now
            if running != told:
                steps.tell(f"waiting for process {', '.join(map(str, running))} of the old manager to end")
                told = running
            if now - began > steps.patience.total_seconds():
                raise NeedsOperator(
                    f"process {running[0]} of the old manager still runs after "
                    f"{steps.patience.total_seconds():g} s",
                    remedy="let it end, or end it if it hangs, then run the same command again",
                )
        clock.sleep(LOOK_EVERY.total_seconds())


UNDO = "wnm --undo_migration"
MACHINE_LOCK = "/run/wnm-takeover"


def take_over(run: Context) -> int:
    """Take over as the command line says. Exit code 3 if something is in the way; then nothing was changed."""
    if lacks_rights(run):
        return hand_over(run)
    source = source_of(run)
    _refuse_half_undone(run)
    begun = _unfinished(run, source)
    if is_there(run.database_path) and begun is None:
        raise already_there(run.database_path)
    if run.asked.dry_run:
        return _rehearse(run, source, begun)
    with _folder_of(run.database_path), alone_on_the_machine(source.name), only_one(run.lock_path):
        # Looked at again: another run may have gone on, or back, before this one had the lock.
        _refuse_half_undone(run)
        begun = _unfinished(run, source)
        if is_there(run.database_path) and begun is None:
            raise already_there(run.database_path)
        clear_leftovers(run.database_path)
        if is_there(run.database_path) and begun is not None:
            begun.done(Step.WRITTEN, SystemClock().now())
        else:
            _carry_out(run, source, begun)
        begun = _unfinished(run, source)
        code = verify(run)
        if begun is not None:
            begun.done(Step.VERIFIED, SystemClock().now())
    _tell_next(run, begun)
    return code


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


def source_of(run: Context) -> Source:
    """The source that the command line names."""
    if run.asked.migrate_anm:
        from wnm_adopt.anm import FromAnm

        return FromAnm(run)
    if run.asked.import_services:
        from wnm_adopt.from_services import FromServices

        return FromServices(run)
    from wnm_adopt.old_wnm import FromOldWnm

    return FromOldWnm(run, run.asked.migrate_wnm or run.database_path)


def _rehearse(run: Context, source: Source, begun: TakeoverFolder | None) -> int:
    plan = source.look(begun)
    print("dry run, nothing is changed")
    print(plan_text(plan, database=run.database_path))
    if not plan.problems:
        _resolved(run, plan)
    return 3 if plan.problems else 0


def _carry_out(run: Context, source: Source, begun: TakeoverFolder | None) -> None:
    clock = SystemClock()
    plan = source.look(begun)
    say(plan_text(plan, database=run.database_path) + "\n")
    if plan.problems:
        raise NeedsOperator(
            f"{len(plan.problems)} thing(s) are in the way of taking over, nothing was changed: {plan.problems[0]}",
            remedy="see the list above, then run the same command again",
        )
    resolved = _resolved(run, plan)
    run.wiring.check(resolved.settings)
    absent = _absent(run, resolved)
    if not source.switches_off:
        _write(run, plan, absent, clock)
        return
    folder = begun or TakeoverFolder.create(
        dirname(run.database_path),
        Manifest(
            source=source.name,
            database=run.database_path,
            began_at=clock.now(),
            absent_before=tuple(absent),
        ),
    )

    def write(final: TakeoverPlan) -> None:
        # After the loss of a database there may be nodes that wnm added: the old manager does not know those.
        anew = folder.manifest.has(Step.WRITTEN)
        names = (*(each.row.name for each in final.adopted), *(node.name for node in final.rows))
        folder.write(folder.manifest if anew else replace(folder.manifest, units=names))
        running = _write(run, final, list(folder.manifest.absent_before), clock)
        folder.write(folder.manifest if anew else replace(folder.manifest, running=running))

    steps = Steps(
        look=lambda: source.look(folder),
        running=source.running,
        write=write,
        is_written=lambda: is_there(run.database_path),
        tell=say,
        noted=source.noted,
        clock=clock,
    )
    with _told_of_its_end():
        switch_over(folder, plan, steps)


@contextmanager
def _told_of_its_end() -> Iterator[None]:
    """A lost connection or an impatient person ends this at once, but not before the machine has a manager again."""

    def end(number: int, frame: object) -> None:
        for each in SIGNALS:  # the way back is not to be interrupted by more of the same
            signal.signal(each, signal.SIG_IGN)
        raise Transient(
            f"ended by {signal.Signals(number).name}: the takeover is not finished, run the same command again"
        )

    before = {each: signal.signal(each, end) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _refuse_half_undone(run: Context) -> None:
    """One that is on its way back has to arrive there first."""
    for each in takeovers(dirname(run.database_path)):
        if each.manifest.undoing_at is not None and each.manifest.undone_at is None:
            raise NeedsOperator(
                f"the takeover in {each.path} is half undone", remedy=f"finish it with: {UNDO}"
            )


def _unfinished(run: Context, source: Source) -> TakeoverFolder | None:
    """A takeover from the same source that was begun and neither finished nor undone, or whose database is lost."""
    written = is_there(run.database_path)

    def goes_on(folder: TakeoverFolder) -> bool:
        if folder.manifest.finished:
            # A second one would find the old manager switched off, and not know the way back.
            return not written and not (folder.manifest.taken_out and folder.is_back())
        return written or folder.manifest.has(Step.WRITTEN) or not folder.is_back()

    found = [
        each
        for each in takeovers(dirname(run.database_path))
        if (each.manifest.source, each.manifest.database) == (source.name, run.database_path)
        and each.manifest.undone_at is None
        and goes_on(each)
    ]
    return found[-1] if found else None


def is_there(path: str) -> bool:
    """Whether there is a database that is not an older wnm's."""
    return os.path.lexists(path) and not is_old_colony(path)


def _resolved(run: Context, plan: TakeoverPlan) -> Resolved:
    """The settings: what was given, then what was found. BadInput if they cannot be."""
    return replace(run, layers=(*run.layers, Layer(name=plan.source, values=plan.settings))).resolve(None)


def _absent(run: Context, resolved: Resolved) -> list[str]:
    settings = resolved.settings
    folders = absent_folders([dirname(run.database_path), *run.wiring.folders(settings)])
    return folders + (
        absent_account(settings.node_user) if traits_of(settings.process_manager).runs_as_account else []
    )


def _write(run: Context, plan: TakeoverPlan, absent: list[str], clock: Clock) -> tuple[str, ...]:
    """Write the database, whole, from the plan and from what runs at this moment; the names of nodes that do."""
    resolved = _resolved(run, plan)
    now = clock.now()
    rows = [row_of(each, now=now, born=_born(each.row)) for each in plan.adopted]
    states = run.wiring.build(resolved.settings, clock).manager.survey_nodes(rows)
    nodes = [
        row if row.status is Status.DISABLED else replace(row, status=_status(states.get(row.id)))
        for row in rows
    ]
    nodes += plan.rows
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


def verify(run: Context) -> int:
    """Print a line for each node; 0, or 1 if one that counts as running was not seen to run."""
    with open_for_reading(run.database_path) as database:
        ledger = Ledger(database)
        settings = run.resolve(ledger.layers()).settings
        backends = run.wiring.build(settings, run.clock)
        plan = look_and_decide(ledger.load(), settings, backends, run.clock, decide)
    say(f"\nseen after the takeover: {len(plan.seen.nodes)} node(s)")
    ill = 0
    for each in plan.seen.nodes:
        words, well = _told(each)
        ill += not well
        say(f"  {each.node.name}: {printable(words)}")
    names = names_of((each.node for each in plan.seen.nodes), plan.decision)
    actions = [
        words_of(action, names) for action in plan.decision.actions if not isinstance(action, Resurvey)
    ]
    say(f"the first cycle would do: {printable(', '.join(actions)) if actions else 'nothing'}")
    return int(ill > 0)


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


def _tell_next(run: Context, folder: TakeoverFolder | None) -> None:
    say("\nno node was restarted; nothing looks after the nodes until cron starts wnm:")
    say("  wnm --dry_run        # what the first cycle would do")
    say("  wnm cron install     # a cycle every minute from now on")
    if folder is not None:
        say(f"  {UNDO}   # puts back everything; its copies are in {folder.path}")
