"""The composition root: the only file that names concrete process managers and firewalls."""

from collections.abc import Callable, Mapping

from wnm.act.steps import Hands
from wnm.core.contracts import Clock, Firewall, UnitDriver
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.host import SYSTEM_SERVICES
from wnm.core.settings import Settings
from wnm.cycle import Machine
from wnm.firewall.null import NullFirewall
from wnm.node_kinds.kinds import KINDS
from wnm.process_managers.manager import NodeManager
from wnm.process_managers.setsid import SetsidDriver
from wnm.sensors.host import usable_cores

DRIVERS: Mapping[str, Callable[[Clock], UnitDriver]] = {
    "setsid": lambda clock: SetsidDriver(clock, cores=usable_cores()),
}
FIREWALLS: Mapping[str, Callable[[], Firewall]] = {"null": NullFirewall}


def build_machine(settings: Settings, clock: Clock, *, began: float) -> Machine:
    """The hands and the kind of node that these settings name.

    `began` is when the run began, on the monotonic clock. NeedsOperator for a process manager, firewall or
    kind of node that this wnm does not have.
    """
    kind = _pick(KINDS, "node_kind", settings.node_kind)
    manager = NodeManager(
        _pick(DRIVERS, "process_manager", settings.process_manager)(clock),
        command_line=kind.command_line,
        fingerprint=lambda node: kind.fingerprint(node.root_dir),
        identity_file=lambda node: kind.identity_file(node.root_dir),
        storages=settings.node_storage,
        log_storage=settings.log_storage,
        key_storage=settings.key_storage,
        keep_keys=settings.keep_keys,
        self_upgrade=settings.self_upgrade == "allow",
        stop_grace=settings.stop_grace,
        clock=clock,
    )
    return Machine(
        hands=Hands(manager=manager, firewall=_pick(FIREWALLS, "firewall", settings.firewall)()),
        kind=kind,
        clock=clock,
        began=began,
    )


def places_of(settings: Settings) -> tuple[str, ...]:
    """The folders that nodes, their logs and their backed-up keys go to."""
    return (*settings.node_storage, settings.log_storage, settings.key_storage)


def runs_as_account(settings: Settings) -> bool:
    """Whether nodes run as an account of their own."""
    return settings.process_manager == SYSTEM_SERVICES


def check_buildable(settings: Settings) -> None:
    """NeedsOperator if `build_machine` would refuse these settings, BadInput if nodes could not run with them."""
    _pick(DRIVERS, "process_manager", settings.process_manager)
    _pick(FIREWALLS, "firewall", settings.firewall)
    reserved = _pick(KINDS, "node_kind", settings.node_kind).reserved_options
    for word in settings.start_args:
        option = word.partition("=")[0]
        if option in reserved:
            raise BadInput(f"start_args: {option} is set by wnm itself for every node; leave it out")


def _pick[T](known: Mapping[str, T], option: str, name: str) -> T:
    if name not in known:
        choices = " or ".join(known)
        raise NeedsOperator(
            f"{option} {name} is not supported by this version of wnm", remedy=f"give --{option} {choices}"
        )
    return known[name]
