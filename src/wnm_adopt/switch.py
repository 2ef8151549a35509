"""Switches a machine over: keep, switch the old manager off, wait for its end, look again, write; or give it back."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.contracts import Clock
from wnm.core.errors import NeedsOperator, WnmError
from wnm_adopt.plan import TakeoverPlan
from wnm_adopt.takeover_folder import Sort, Step, TakeoverFolder

# What cron has just begun may take this long to show.
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
        for path in final.claimed:
            steps.tell(f"giving {path} to root")
            folder.claim(path)
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
        except WnmError as error:  # such as a disk without room: the nodes need a manager all the same
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
