"""`wnm --init`: writes the database with the settings that were given, and starts nothing."""

import os
import shlex
from datetime import timedelta
from posixpath import dirname

from msgspec.structs import replace

from wnm.app.context import Context
from wnm.core.errors import BadInput
from wnm.core.layers import DEFAULT, Resolved
from wnm.core.observation import ProgramReading, Unseen
from wnm.core.settings import Settings
from wnm.sensors.host import system_id
from wnm.sensors.programs import read_program
from wnm.storage.creation import already_there, create
from wnm.system.clock import SystemClock
from wnm.system.traces import absent_account, absent_folders
from wnm.wiring import check_buildable, firewall_is_active, places_of, runs_as_account
from wnm_adopt.old_database import is_old_colony

PROGRAM_PATIENCE = timedelta(seconds=10)


def initialise(run: Context) -> int:
    """Check everything, then write the database; refused when there is one, unless it is an older wnm's."""
    if run.asked.takes_over or is_old_colony(run.database_path):
        from wnm_adopt.taking_over import take_over

        return take_over(run)
    if os.path.lexists(run.database_path):
        raise already_there(run.database_path)
    resolved = run.resolve(None)
    if run.host.is_root and resolved.origins["firewall"] == DEFAULT:
        run = replace(run, host=replace(run.host, ufw_active=firewall_is_active()))
        resolved = run.resolve(None)
    program = read_program(resolved.settings.antnode_path, None, timeout=PROGRAM_PATIENCE)
    kind, problem = _recognise(program)
    if problem is not None and resolved.origins["antnode_path"] != DEFAULT:
        raise BadInput(
            f"antnode_path cannot be used, {problem}: put a node program there or give another path"
        )
    if kind is not None:
        resolved = replace(run, host=replace(run.host, program_kind=kind)).resolve(None)
        if resolved.settings.node_kind != kind:
            raise BadInput(
                f"node_kind {resolved.settings.node_kind}: {resolved.settings.antnode_path} is {kind}; "
                "leave node_kind out or give another antnode_path"
            )
    check_buildable(resolved.settings)
    create(
        run.database_path,
        settings=resolved.initial_texts(),
        now=SystemClock().now(),
        absent_before=_absent(run, resolved.settings),
        system_id=system_id(),
    )
    _tell(run, resolved, problem)
    return 0


def _absent(run: Context, settings: Settings) -> list[str]:
    """What the machine lacks now and wnm is going to make, so that a teardown can take it away again."""
    folders = absent_folders([dirname(run.database_path), *places_of(settings)])
    return folders + (absent_account(settings.node_user) if runs_as_account(settings) else [])


def _recognise(program: ProgramReading | Unseen) -> tuple[str | None, str | None]:
    """The kind of the node program, and what is wrong with it."""
    if isinstance(program, Unseen):
        return None, program.reason
    if isinstance(program.version, Unseen):
        return None, program.version.reason
    return program.kind, None


def _tell(run: Context, resolved: Resolved, problem: str | None) -> None:
    settings = resolved.settings
    print(f"initialised {run.database_path}: up to {settings.node_cap} nodes with {settings.process_manager}")
    if problem is not None:
        print(
            f"no node program yet ({problem}): put antnode at {settings.antnode_path} or set --antnode_path"
        )
    print("nothing was started; next:")
    option = f" --dbpath {shlex.quote(run.asked.dbpath)}" if run.asked.dbpath else ""
    print(f"  wnm --dry_run{option}   # what the first cycle would do")
    print(f"  wnm{option}             # one cycle")
    print(f"  wnm{option} cron install   # a cycle every minute from now on")
