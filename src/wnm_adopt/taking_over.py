"""Takes nodes over for `wnm --init`: plans, shows the plan, carries it out step by step, and looks at the nodes."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from posixpath import dirname

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
from wnm.system.files import make_private_dir
from wnm.system.lock import only_one, release_stale
from wnm.system.removal import absent_account, absent_folders
from wnm.views.actions import names_of, words_of
from wnm.views.words import printable
from wnm_adopt.classify import row_of
from wnm_adopt.plan import Source, TakeoverPlan, plan_text
from wnm_adopt.takeover_folder import Manifest, Step, TakeoverFolder, takeovers

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
    source = source_of(run)
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
    absent = absent_folders([dirname(run.database_path), *run.wiring.folders(settings)])
    if traits_of(settings.process_manager).runs_as_account:
        absent += absent_account(settings.node_user)
    if not source.switches_off:
        _write(run, plan, absent, say)
        return None
    manifest = Manifest(
        source=source.name,
        database=run.database_path,
        began_at=run.clock.now(),
        absent_before=tuple(absent),
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
