"""Runs `wnm --init`: writes the database with the settings that were given, and starts nothing."""

import os
import shlex
from collections.abc import Callable, Sequence
from datetime import timedelta
from posixpath import dirname
from uuid import uuid4

from msgspec.structs import replace

from wnm.act.places import mark
from wnm.app.context import Context
from wnm.app.elevate import needs_root
from wnm.app.invocation import Report
from wnm.app.teardown import forget_everything
from wnm.core.backends import traits_of
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.layers import DEFAULT, Resolved
from wnm.core.observation import Unseen
from wnm.core.places import Marker
from wnm.core.settings import Settings
from wnm.observe.survey import read_storages
from wnm.sensors.host import system_id
from wnm.sensors.programs import read_program
from wnm.storage.creation import already_there, create
from wnm.system.removal import absent_account, absent_folders, clear_away

PROGRAM_PATIENCE = timedelta(seconds=10)


def init(context: Context, say: Callable[[str], None]) -> Report:
    """Check everything, then write the database; refused when there is one, unless it is an older wnm's."""
    from wnm.storage.old_database import is_old_colony

    if context.asked.takes_over or is_old_colony(context.database_path):
        return take_over(context, say)
    if os.path.lexists(context.database_path):
        raise already_there(context.database_path)
    resolved = context.resolve(None)
    if context.host.is_root and resolved.origins["firewall"] == DEFAULT:
        context = replace(context, host=replace(context.host, ufw_active=context.wiring.firewall_is_active()))
        resolved = context.resolve(None)
    program = read_program(resolved.settings.antnode_path, None, timeout=PROGRAM_PATIENCE)
    kind, problem = None, None
    if isinstance(program, Unseen):
        problem = program.reason
    elif isinstance(program.version, Unseen):
        problem = program.version.reason
    else:
        kind = program.kind
    if problem is not None and resolved.origins["antnode_path"] != DEFAULT:
        raise BadInput(
            f"antnode_path cannot be used, {problem}: put a node program there or give another path"
        )
    if kind is not None:
        resolved = replace(context, host=replace(context.host, program_kind=kind)).resolve(None)
        if resolved.settings.node_kind != kind:
            raise BadInput(
                f"node_kind {resolved.settings.node_kind}: {resolved.settings.antnode_path} is {kind}; "
                "leave node_kind out or give another antnode_path"
            )
    context.wiring.check(resolved.settings)
    identity, absent_before = str(uuid4()), things_missing(context, resolved.settings)
    # The database first: a marker of a database that never came to be would make its folder another's for ever.
    create(
        context.database_path,
        settings=resolved.initial_texts(),
        now=context.clock.now(),
        absent_before=absent_before,
        system_id=system_id(),
        identity=identity,
    )
    _mark_storage(context, resolved.settings, identity, absent_before)
    return Report(text=_next_steps(context, resolved, problem))


def _mark_storage(context: Context, settings: Settings, identity: str, absent_before: Sequence[str]) -> None:
    """Make the storage folders and their markers. NeedsOperator, with nothing left, for one that cannot be written.

    A folder with something in it that carries another marker is left to the first cycle, which asks about it; so are
    all where nodes are services of the system and this is an ordinary user. A first cycle also marks what a kill left
    unmarked.
    """
    if needs_root(context):
        return
    path, passable = "", traits_of(settings.process_manager).runs_as_account
    try:
        for path in settings.node_storage:
            seen = read_storages((path,))[0]
            if seen.storage.marker is None or seen.storage.empty:
                mark(path, Marker(database=identity, folder=uuid4().hex), passable=passable)
    except WnmError as error:
        forget_everything(context.database_path, settings.node_storage, identity)
        clear_away(absent_before)
        remedy = "let this account write there, or give another --node_storage"
        raise NeedsOperator(f"node_storage {path} cannot be used: {error}", remedy=remedy) from error


def take_over(context: Context, say: Callable[[str], None]) -> Report:
    """Take over the nodes that are there already; each step is told by `say` before it is taken."""
    from wnm_adopt.taking_over import take_over

    return Report(exit_code=take_over(context, say))


def undo_migration(context: Context, say: Callable[[str], None]) -> Report:
    """Put back what taking over changed; what is done is told by `say`."""
    from wnm_adopt.taking_over import undo

    return Report(exit_code=undo(context, say))


def things_missing(context: Context, settings: Settings) -> tuple[str, ...]:
    """Return the things that the machine lacks now and wnm is going to make, so that a teardown can remove them."""
    folders = absent_folders([dirname(context.database_path), *context.wiring.folders(settings)])
    runs_as_account = traits_of(settings.process_manager).runs_as_account
    return (*folders, *(absent_account(settings.node_user) if runs_as_account else ()))


def _next_steps(context: Context, resolved: Resolved, problem: str | None) -> str:
    settings = resolved.settings
    option = f" --dbpath {shlex.quote(context.asked.dbpath)}" if context.asked.dbpath else ""
    missing = f"no node program yet ({problem}): put antnode at {settings.antnode_path} or set --antnode_path"
    lines = [
        f"initialised {context.database_path}: up to {settings.node_cap} nodes with {settings.process_manager}",
        *([missing] if problem is not None else []),
        "nothing was started; next:",
        f"  wnm --dry_run{option}   # what the first cycle would do",
        f"  wnm{option}             # one cycle",
        f"  wnm{option} cron install   # a cycle every minute from now on",
    ]
    return "\n".join(lines)
