"""The composition root: the only file that names concrete process managers and firewalls.

Each is imported only where it is used.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from wnm.act.steps import Hands
from wnm.core.contracts import Clock, Firewall, UnitDriver
from wnm.core.errors import BadInput, NeedsOperator, WnmError
from wnm.core.host import SYSTEM_SERVICES
from wnm.core.settings import Settings
from wnm.cycle import Machine
from wnm.node_kinds.kinds import KINDS
from wnm.process_managers.manager import NodeManager
from wnm.sensors.host import usable_cores
from wnm.sensors.last_words import critical_failure
from wnm.sensors.programs import read_program
from wnm.system.clock import SystemClock

PROGRAM_PATIENCE = timedelta(seconds=10)

if TYPE_CHECKING:
    from wnm.formats.systemd_unit import Scope


class Backend[T](Struct, frozen=True, kw_only=True):
    """How to build one, and why it cannot work on this machine: None if it can."""

    build: Callable[[Clock], T]
    why_not_here: Callable[[], NeedsOperator | None] = lambda: None


def _setsid(clock: Clock) -> UnitDriver:
    from wnm.process_managers.setsid import SetsidDriver

    return SetsidDriver(clock, cores=usable_cores())


def _systemd(scope: "Scope") -> Callable[[Clock], UnitDriver]:
    def build(clock: Clock) -> UnitDriver:
        from wnm.process_managers.systemd import SystemdDriver

        return SystemdDriver(clock, scope=scope, cores=usable_cores())

    return build


def _no_system_services() -> NeedsOperator | None:
    from wnm.process_managers.systemd import why_not_here

    # Who is not root has the cycle carried out by root: see wnm.app.elevate.
    return why_not_here("system", user_id=0)


def _no_user_services() -> NeedsOperator | None:
    from wnm.process_managers.systemd import why_not_here

    return why_not_here("user")


def _launchd(clock: Clock) -> UnitDriver:
    from wnm.process_managers.launchd import LaunchdDriver

    return LaunchdDriver(clock, cores=usable_cores())


def _no_agents() -> NeedsOperator | None:
    from wnm.process_managers.launchd import LaunchdDriver

    return LaunchdDriver(SystemClock()).why_not_here()


def _null(clock: Clock) -> Firewall:
    from wnm.firewall.null import NullFirewall

    return NullFirewall()


def _ufw(clock: Clock) -> Firewall:
    from wnm.firewall.ufw import UfwFirewall

    return UfwFirewall()


DRIVERS: Mapping[str, Backend[UnitDriver]] = {
    "systemd": Backend(build=_systemd("system"), why_not_here=_no_system_services),
    "systemd+user": Backend(build=_systemd("user"), why_not_here=_no_user_services),
    "setsid": Backend(build=_setsid),
    "launchd": Backend(build=_launchd, why_not_here=_no_agents),
}
FIREWALLS: Mapping[str, Backend[Firewall]] = {"null": Backend(build=_null), "ufw": Backend(build=_ufw)}


def build_machine(settings: Settings, clock: Clock, *, began: float) -> Machine:
    """The hands and the kind of node that these settings name.

    `began` is when the run began, on the monotonic clock. NeedsOperator for a process manager, firewall or
    kind of node that this wnm does not have.
    """
    kind = _pick(KINDS, "node_kind", settings.node_kind)
    driver = _pick(DRIVERS, "process_manager", settings.process_manager).build(clock)
    self_upgrade = settings.self_upgrade == "allow"
    supervised = driver.restarts and self_upgrade
    manager = NodeManager(
        driver,
        command_line=lambda node: KINDS[node.kind].command_line(node, supervised=supervised),
        environment=lambda node: KINDS[node.kind].environment(node),
        companions=kind.companion_files,
        ask=lambda node: read_program(node.program, None, timeout=PROGRAM_PATIENCE, user=node.user),
        own_words=lambda node, since: critical_failure(node, KINDS[node.kind], since),
        fingerprint=lambda node: KINDS[node.kind].fingerprint(node.root_dir),
        identity_file=lambda node: KINDS[node.kind].identity_file(node.root_dir),
        storages=settings.node_storage,
        log_storage=settings.log_storage,
        key_storage=settings.key_storage,
        keep_keys=settings.keep_keys,
        self_upgrade=self_upgrade,
        stop_grace=settings.stop_grace,
        clock=clock,
    )
    firewall = _pick(FIREWALLS, "firewall", settings.firewall).build(clock)
    return Machine(hands=Hands(manager=manager, firewall=firewall), kinds=KINDS, clock=clock, began=began)


def firewall_is_active() -> bool:
    """Whether this machine has a firewall that wnm can set up, and it is switched on; False if it does not say."""
    from wnm.firewall.ufw import ufw_active

    try:
        return ufw_active() is True
    except WnmError:
        return False  # `--firewall ufw` says what is wrong with it


def places_of(settings: Settings) -> tuple[str, ...]:
    """The folders that nodes, their logs, their backed-up keys and their units go to."""
    driver = _pick(DRIVERS, "process_manager", settings.process_manager).build(SystemClock())
    return (*settings.node_storage, settings.log_storage, settings.key_storage, *driver.folders)


def runs_as_account(settings: Settings) -> bool:
    """Whether nodes run as an account of their own."""
    return settings.process_manager == SYSTEM_SERVICES


def check_buildable(settings: Settings) -> None:
    """NeedsOperator if nodes could not be managed here with these settings, BadInput if they could not run."""
    problem = _pick(DRIVERS, "process_manager", settings.process_manager).why_not_here()
    problem = problem or _pick(FIREWALLS, "firewall", settings.firewall).why_not_here()
    if problem is not None:
        raise problem
    _check_paths(settings)
    wrong = _pick(KINDS, "node_kind", settings.node_kind).problem_with(settings.start_args)
    if wrong is not None:
        raise BadInput(f"start_args: {wrong}")


def _check_paths(settings: Settings) -> None:
    """BadInput for folders that the process manager cannot be told of."""
    if not settings.process_manager.startswith("systemd"):
        return
    from wnm.formats.systemd_syntax import bare_path, program

    for name, folder in [
        *(("node_storage", each) for each in settings.node_storage),
        ("log_storage", settings.log_storage),
    ]:
        try:
            program(f"{folder}/antnode0001/antnode")
            bare_path(f"{folder}/antnode0001")
        except ValueError as reason:
            raise BadInput(f"{name} cannot be {folder} with {settings.process_manager}: {reason}") from None


def _pick[T](known: Mapping[str, T], option: str, name: str) -> T:
    if name not in known:
        choices = " or ".join(known)
        raise NeedsOperator(
            f"{option} {name} is not supported by this version of wnm", remedy=f"give --{option} {choices}"
        )
    return known[name]
