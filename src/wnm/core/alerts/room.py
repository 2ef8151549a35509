"""Whether the machine would take one more node, by the very limits that growth itself goes by."""

from msgspec.structs import replace

from wnm.core.decide.allocate import places
from wnm.core.decide.gauges import disk_gauge, gauges, in_crisis
from wnm.core.decide.growth import NodeCost, after_starting, node_cost, one_more
from wnm.core.decide.pressure import excess, must_shed
from wnm.core.decide.rank import is_stopped
from wnm.core.node import TRANSITIONS
from wnm.core.observation import MachineReading, Observation
from wnm.core.settings import Settings


def has_room(seen: Observation, settings: Settings) -> bool:
    """Whether a node is missing, nothing is under way, and every reading would stay below its limit with it."""
    wanted = excess(seen, settings) < 0 or any(is_stopped(each) for each in seen.nodes)
    if not wanted or any(each.node.status in TRANSITIONS for each in seen.nodes):
        return False
    if must_shed(seen, settings) is not None:
        return False
    cost = node_cost(seen)
    machine = after_starting(seen, cost)
    return any(
        _takes_one_more(machine, place.file_system.mount_point, cost, settings)
        for place in places(replace(seen, machine=machine), settings)
    )


def _takes_one_more(machine: MachineReading, mount_point: str, cost: NodeCost, settings: Settings) -> bool:
    then = one_more(machine, cost, mount_point)
    after_it = one_more(then, cost, mount_point)  # growth keeps the room for one more from a crisis
    return all(gauge.allows_growth for gauge in gauges(then, settings)) and all(
        disk_gauge(each, settings).allows_growth
        and not any(
            in_crisis(one, settings) for one in after_it.file_systems if one.mount_point == mount_point
        )
        for each in then.file_systems
        if each.mount_point == mount_point
    )
