"""Resolves layers of text into settings: which layer wins, what changed, and what is refused."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from wnm.core.errors import BadInput
from wnm.core.forms import PORTS_PER_BLOCK
from wnm.core.host import Host, for_manager
from wnm.core.settings import NAMES, REQUIRED, SECRET, SPECS, Settings, Spec
from wnm.core.suggest import did_you_mean, shortened
from wnm.core.values import Value

FLEET = "fleet"
DATABASE = "database"
DEFAULT = "default"

_WISHABLE_FREELY = frozenset(
    {
        "node_cap",
        "node_version",
        "delay_start",
        "delay_restart",
        "delay_upgrade",
        "delay_remove",
        "max_concurrent_upgrades",
        "max_concurrent_starts",
        "max_concurrent_removals",
        "max_concurrent_operations",
    }
)
# Towards caution only: lower thresholds, and more free bytes.
_WISHABLE_LOWER = frozenset(
    name for name in SPECS if name.endswith(("_less_than", "_remove")) and not name.startswith("delay_")
) | {"desired_load_average", "max_load_average_allowed"}
_WISHABLE_HIGHER = frozenset({"crisis_bytes"})

type AddressCheck = Callable[[str], str | None]
"""Says what is wrong with the checksum of an address in mixed case, or None."""


class Layer(Value, frozen=True, kw_only=True):
    """One place that gives settings, as texts by name. `name` is how people are told of it."""

    name: str
    values: Mapping[str, str]


class Change(Value, frozen=True, kw_only=True):
    """A persisted setting that a layer above the database gives another value. Texts are canonical."""

    name: str
    old_text: str | None
    new_text: str


class Resolved(Value, frozen=True, kw_only=True):
    """The settings of this run, the layer that each came from, and what the database does not know yet."""

    settings: Settings
    origins: Mapping[str, str]
    changes: tuple[Change, ...]

    def text(self, name: str) -> str:
        """The canonical text of a setting's value."""
        return SPECS[name].form.render(getattr(self.settings, name))

    def initial_texts(self) -> Mapping[str, str]:
        """Return what --init stores, as canonical texts: given values, values fixed from now on, and defaults that
        another shell or number of cores would change (a cron job has another PATH than its operator).
        """
        return {
            name: self.text(name)
            for name, spec in SPECS.items()
            if spec.persisted and (self.origins[name] != DEFAULT or spec.fixed or callable(spec.default))
        }


type _Given = tuple[object, str]
"""A value and its origin."""


def resolve(layers: Sequence[Layer], host: Host, *, check_address: AddressCheck | None = None) -> Resolved:
    """The settings that the layers, highest first, add up to.

    Once there is a database layer, fixed settings may only be given the value that they have. Addresses in
    mixed case are passed to `check_address` unless they come from the database or are what it holds. Wishes of a
    fleet that do not fit together with the rest do not count.
    Raises BadInput, naming the setting, the text, its layer and the remedy.
    """
    local = [layer for layer in layers if layer.name != FLEET]
    fleet = next((layer for layer in layers if layer.name == FLEET), None)
    wished = frozenset(fleet.values) if fleet is not None else frozenset()
    if wished:
        with suppress(BadInput):
            heeded = [_heeded(layer, local, host) for layer in layers]
            return _resolve(heeded, host, check_address, wished)
    return _resolve(local, host, check_address, wished)


def wish_refusal(name: str, text: str, own: Sequence[Layer], host: Host) -> str | None:
    """Return why a fleet's wish for a setting does not count on a machine with these layers, None if it does.

    Thresholds may only be moved towards caution.
    """
    if name not in _WISHABLE_FREELY | _WISHABLE_LOWER | _WISHABLE_HIGHER:
        return "no fleet may wish for it" if name in SPECS else "no setting is called so"
    spec = SPECS[name]
    try:
        wished = spec.form.read(text, host)
        held = _strongest(spec, own, host)[0]
    except ValueError as reason:
        return f"{reason}; give {spec.form.accepts}"
    except BadInput as reason:
        return str(reason)
    if name not in _WISHABLE_FREELY and _caution(name, wished) < _caution(name, held):
        return f"it is less cautious than {spec.form.render(held)}, which this machine has"
    return None


def _caution(name: str, value: Any) -> float:
    """A number that is the higher the more cautious a threshold is; those of input and output are off at 0."""
    if name in _WISHABLE_HIGHER:
        return float(value)
    return float("-inf") if name.startswith(("netio_", "hdio_")) and not value else -float(value)


def _heeded(layer: Layer, own: Sequence[Layer], host: Host) -> Layer:
    """The layer, and of that of a fleet only the wishes that count."""
    if layer.name != FLEET:
        return layer
    below = [each for each in own if each.name == DATABASE]
    kept = {
        name: text for name, text in layer.values.items() if wish_refusal(name, text, below, host) is None
    }
    return Layer(name=FLEET, values=kept)


def _resolve(
    layers: Sequence[Layer],
    host: Host,
    check_address: AddressCheck | None,
    wished: frozenset[str],
) -> Resolved:
    for layer in layers:
        _refuse_unknown(layer)
    stored = next((layer for layer in layers if layer.name == DATABASE), None)
    host = for_manager(host, _manager(layers, stored, host))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    changes: list[Change] = []
    for name, spec in SPECS.items():
        given = _strongest(spec, layers, host)
        if stored is not None:
            if spec.fixed:
                given = _fixed(spec, layers, stored, given, host)
            changes.extend(_change(spec, stored, given, host, is_wished=name in wished))
        values[name], origins[name] = given
        if origins[name] not in (DATABASE, DEFAULT, FLEET) and check_address is not None:
            _check_addresses(spec, given, stored, check_address)
    settings = Settings(**values)
    check_together(settings, origins)
    return Resolved(settings=settings, origins=origins, changes=tuple(changes))


def _refuse_unknown(layer: Layer) -> None:
    for name in layer.values:
        if name not in SPECS:
            remedy = did_you_mean(name, NAMES, "see wnm --help for those that exist")
            raise BadInput(f"no setting is called {shortened(name)} ({layer.name}): {remedy}")


def _manager(layers: Sequence[Layer], stored: Layer | None, host: Host) -> str:
    """The process manager, on which the places of nodes, logs and keys depend."""
    spec = SPECS["process_manager"]
    layers = [stored] if stored is not None and spec.name in stored.values else layers
    return str(_strongest(spec, layers, host)[0])


def _strongest(spec: Spec, layers: Sequence[Layer], host: Host) -> _Given:
    for layer in layers:
        if spec.name in layer.values:
            return _read(spec, layer, host), layer.name
    if spec.default is REQUIRED:
        raise BadInput(f"{spec.name} is not given: add --{spec.name} with {spec.form.accepts}")
    return spec.default_for(host), DEFAULT


def _read(spec: Spec, layer: Layer, host: Host) -> object:
    text = layer.values[spec.name]
    try:
        return spec.form.read(text, host)
    except ValueError as reason:
        given = "what is given" if spec.name in SECRET else shortened(text)
        raise BadInput(
            f"{spec.name} cannot be {given} ({layer.name}): {reason}; give {spec.form.accepts}"
        ) from None


def _fixed(spec: Spec, layers: Sequence[Layer], stored: Layer, given: _Given, host: Host) -> _Given:
    """The value that a fixed setting has; every layer above the database has to agree with it."""
    held = _read(spec, stored, host) if spec.name in stored.values else spec.default_for(host)
    for layer in layers:
        if layer is not stored and spec.name in layer.values and _read(spec, layer, host) != held:
            raise BadInput(
                f"{spec.name} cannot be {shortened(layer.values[spec.name])} ({layer.name}): it is "
                f"{shortened(spec.form.render(held))} since --init and cannot change; leave it out"
            )
    return held, given[1]


def _change(spec: Spec, stored: Layer, given: _Given, host: Host, *, is_wished: bool) -> tuple[Change, ...]:
    """The change to keep, if any; where a fleet wishes something, also a value that is stored: it outranks that."""
    value, origin = given
    if not spec.persisted or origin in (DATABASE, DEFAULT, FLEET):
        return ()
    old_text, new_text = stored.values.get(spec.name), spec.form.render(value)
    if old_text is None or is_wished or not _means(spec, old_text, value, host):
        return (Change(name=spec.name, old_text=old_text, new_text=new_text),)
    return ()


def _means(spec: Spec, text: str, value: object, host: Host) -> bool:
    """Whether the text is that value; an unreadable one, which is about to be replaced, is not."""
    try:
        return bool(spec.form.read(text, host) == value)
    except ValueError:
        return False


def _check_addresses(spec: Spec, given: _Given, stored: Layer | None, check: AddressCheck) -> None:
    value, origin = given
    known = stored.values.get(spec.name, "") if stored is not None else ""
    for address in spec.form.addresses(value) if spec.form.addresses is not None else ():
        # Only one in mixed case carries a checksum.
        if address in known or address[2:] in (address[2:].lower(), address[2:].upper()):
            continue
        wrong = check(address)
        if wrong is not None:
            raise BadInput(f"{spec.name} cannot be {shortened(address)} ({origin}): {wrong}")


# Constraints between settings, beyond each one's own bounds

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
