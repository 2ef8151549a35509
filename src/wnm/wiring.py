"""Puts the parts together: the composition root, and the only file that names concrete process managers and firewalls.

Each is imported only where it is used, and nothing that a cycle needs before the cycle's lock is held: importing this
module costs next to nothing. It is what `wnm.app.context.Wiring` describes.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from wnm.app.context import Context, build_context
from wnm.app.invocation import Invocation, Report
from wnm.core.contracts import Clock, Firewall, UnitDriver
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.settings import Settings
from wnm.system.clock import SystemClock

if TYPE_CHECKING:
    from wnm.act.steps import Backends
    from wnm.formats.systemd_unit import Scope
    from wnm.process_managers.launchd import LaunchdDriver


class Backend[T](Struct, frozen=True):
    """A backend: its constructor, and its constraints on this machine.

    `why_not_here` returns the error that keeps it from working, None if nothing does; `refuse_folder` raises
    ValueError, with the reason, for a folder that its files cannot name.
    """

    build: Callable[[Clock], T]
    why_not_here: Callable[[], NeedsOperator | None] | None = None
    refuse_folder: Callable[[str], None] | None = None


def _setsid(clock: Clock) -> UnitDriver:
    from wnm.process_managers.setsid import SetsidDriver
    from wnm.sensors.host import usable_cores

    return SetsidDriver(clock, cores=usable_cores())


def _systemd(scope: "Scope", clock: Clock) -> UnitDriver:
    from wnm.process_managers.systemd import SystemdDriver
    from wnm.sensors.host import usable_cores

    return SystemdDriver(clock, scope=scope, cores=usable_cores())


def _no_systemd(scope: "Scope") -> NeedsOperator | None:
    from wnm.process_managers.systemd import why_not_here

    # Root carries out the cycle of an ordinary user over services of the system: see wnm.app.elevate.
    return why_not_here(scope, user_id=0 if scope == "system" else None)


def _refuse_in_units(folder: str) -> None:
    from wnm.formats.systemd_unit import bare_path, program

    program(f"{folder}/antnode0001/antnode")
    bare_path(f"{folder}/antnode0001")


def _launchd(clock: Clock) -> "LaunchdDriver":
    from wnm.process_managers.launchd import LaunchdDriver
    from wnm.sensors.host import usable_cores

    return LaunchdDriver(clock, cores=usable_cores())


def _null(clock: Clock) -> Firewall:
    from wnm.firewall.null import NullFirewall

    return NullFirewall()


def _ufw(clock: Clock) -> Firewall:
    from wnm.firewall.ufw import UfwFirewall

    return UfwFirewall()


# The traits of a process manager that decisions depend on are in the row of the same name in wnm.core.backends.
DRIVERS: Mapping[str, Backend[UnitDriver]] = {
    "systemd": Backend(partial(_systemd, "system"), partial(_no_systemd, "system"), _refuse_in_units),
    "systemd+user": Backend(partial(_systemd, "user"), partial(_no_systemd, "user"), _refuse_in_units),
    "setsid": Backend(_setsid),
    "launchd": Backend(_launchd, lambda: _launchd(SystemClock()).why_not_here()),
}
FIREWALLS: Mapping[str, Backend[Firewall]] = {"null": Backend(_null), "ufw": Backend(_ufw)}


def run_once(asked: Invocation | None = None) -> Report:
    """Carry out one whole cycle, as `wnm` without words does, or the one that was asked for by hand.

    Busy while another one runs on the same database; NeedsOperator without a database.
    """
    from wnm.app.run_cycle import run_cycle

    return run_cycle(context_of(asked or Invocation()))


def context_of(asked: Invocation) -> Context:
    """Return the context that a command works with on this machine. From here on its log goes to the file asked for."""
    from wnm import wiring  # itself, as a value

    context = build_context(asked, wiring)
    if context.asked.log_file is not None:
        from wnm.app.log_file import keep_log

        keep_log(context.asked)
    return context


def build(settings: Settings, clock: Clock) -> "Backends":
    """The process manager and the firewall that these settings name.

    NeedsOperator for a process manager, firewall or kind of node that this wnm does not have.
    """
    from wnm.act.steps import Backends
    from wnm.node_kinds.kinds import KINDS
    from wnm.process_managers.manager import NodeManager

    _pick(KINDS, "node_kind", settings.node_kind)
    driver = _pick(DRIVERS, "process_manager", settings.process_manager).build(clock)
    manager = NodeManager(driver, KINDS, settings, clock)
    return Backends(manager=manager, firewall=_pick(FIREWALLS, "firewall", settings.firewall).build(clock))


def firewall_is_active() -> bool:
    """Whether this machine has a firewall that wnm can set up, and it is switched on; False if it does not say."""
    from wnm.firewall.ufw import ufw_active

    try:
        return ufw_active() is True
    except WnmError:
        return False  # `--firewall ufw` says what is wrong with it


def folders(settings: Settings) -> tuple[str, ...]:
    """The folders that nodes, their logs, their backed-up keys and their units go to."""
    driver = _pick(DRIVERS, "process_manager", settings.process_manager).build(SystemClock())
    return (*settings.node_storage, settings.log_storage, settings.key_storage, *driver.folders)


def check(settings: Settings) -> None:
    """NeedsOperator if nodes could not be managed here with these settings, BadInput if they could not run."""
    from wnm.node_kinds.kinds import KINDS

    driver = _pick(DRIVERS, "process_manager", settings.process_manager)
    for backend in (driver, _pick(FIREWALLS, "firewall", settings.firewall)):
        problem = backend.why_not_here() if backend.why_not_here is not None else None
        if problem is not None:
            raise problem
    places = [("node_storage", each) for each in settings.node_storage]
    for name, folder in (*places, ("log_storage", settings.log_storage)):
        if driver.refuse_folder is None:
            break
        try:
            driver.refuse_folder(folder)
        except ValueError as reason:
            raise BadInput(f"{name} cannot be {folder} with {settings.process_manager}: {reason}") from None
    wrong = _pick(KINDS, "node_kind", settings.node_kind).problem_with(settings.start_args)
    if wrong is not None:
        raise BadInput(f"start_args: {wrong}")


def _pick[T](known: Mapping[str, T], option: str, name: str) -> T:
    if name not in known:
        choices = " or ".join(known)
        raise NeedsOperator(
            f"{option} {name} is not supported by this version of wnm", remedy=f"give --{option} {choices}"
        )
    return known[name]
