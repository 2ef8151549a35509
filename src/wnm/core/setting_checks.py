"""What settings have to be together, beyond each one's own bounds."""

from collections.abc import Mapping

from wnm.core.errors import BadInput
from wnm.core.forms.numbers import PORTS_PER_BLOCK
from wnm.core.settings import SPECS, Settings

HIGHEST_PORT = 65_535

# The first has to be below the second.
_ORDERED = (
    ("cpu_less_than", "cpu_remove"),
    ("mem_less_than", "mem_remove"),
    ("hd_less_than", "hd_remove"),
    ("desired_load_average", "max_load_average_allowed"),
    ("poll_timeout", "cycle_timeout"),
)
# The same, but 0 turns either of them off.
_ORDERED_UNLESS_OFF = (
    ("netio_read_less_than", "netio_read_remove"),
    ("netio_write_less_than", "netio_write_remove"),
    ("hdio_read_less_than", "hdio_read_remove"),
    ("hdio_write_less_than", "hdio_write_remove"),
)


def check_together(settings: Settings, origins: Mapping[str, str]) -> None:
    """Refuse settings that contradict each other. BadInput names both, their origins and the remedy."""
    for lower, upper in _ORDERED:
        if not getattr(settings, lower) < getattr(settings, upper):
            raise BadInput(_not_ordered(lower, upper, settings, origins))
    for lower, upper in _ORDERED_UNLESS_OFF:
        low, high = getattr(settings, lower), getattr(settings, upper)
        if low and high and not low < high:
            raise BadInput(_not_ordered(lower, upper, settings, origins))
    _check_ports(settings, origins)


def _check_ports(settings: Settings, origins: Mapping[str, str]) -> None:
    cap = settings.node_cap
    for name in ("port_start", "metrics_port_start"):
        highest = getattr(settings, name) * PORTS_PER_BLOCK + cap
        if highest > HIGHEST_PORT:
            raise BadInput(
                f"{_shown(name, settings, origins)} leaves no room for "
                f"{_shown('node_cap', settings, origins)}: the last port would be {highest}, above "
                f"{HIGHEST_PORT}; give a lower one of the two"
            )
    apart = abs(settings.port_start - settings.metrics_port_start) * PORTS_PER_BLOCK
    if apart < max(cap, 1):
        raise BadInput(
            f"the ports from {_shown('port_start', settings, origins)} and from "
            f"{_shown('metrics_port_start', settings, origins)} overlap for "
            f"{_shown('node_cap', settings, origins)}; give ones that are further apart"
        )


def _not_ordered(lower: str, upper: str, settings: Settings, origins: Mapping[str, str]) -> str:
    return (
        f"{_shown(lower, settings, origins)} has to be below {_shown(upper, settings, origins)}: "
        f"give a lower {lower} or a higher {upper}"
    )


def _shown(name: str, settings: Settings, origins: Mapping[str, str]) -> str:
    return f"{name} {SPECS[name].form.render(getattr(settings, name))} ({origins[name]})"
