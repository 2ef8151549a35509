"""Resolves layers of text into settings: which layer wins, what changed, and what is refused."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.core.forms import PORTS_PER_BLOCK
from wnm.core.host import Host, for_manager
from wnm.core.settings import NAMES, REQUIRED, SECRET, SPECS, Settings, Spec
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
_WISHABLE_LOWER = {"desired_load_average", "max_load_average_allowed"} | {
    name for name in SPECS if name.endswith(("_less_than", "_remove")) and not name.startswith("delay_")
}
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

    def recorded_texts(self) -> Mapping[str, str]:
        """Return what is recorded with a cycle, which is passed on when something went wrong: no secrets."""
        return {name: "" if name in SECRET else self.text(name) for name in SPECS}

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
    wished = {name for layer in layers if layer.name == FLEET for name in layer.values}
    if wished:
        below = [layer for layer in local if layer.name == DATABASE]
        with suppress(BadInput):
            heeded = [
                layer if layer.name != FLEET else _heeded(layer.values, below, host) for layer in layers
            ]
            return _resolve(heeded, host, check_address, wished)
    return _resolve(local, host, check_address, wished)


def _heeded(wishes: Mapping[str, str], below: Sequence[Layer], host: Host) -> Layer:
    """Of the wishes of a fleet only those that count."""
    kept = {name: text for name, text in wishes.items() if wish_refusal(name, text, below, host) is None}
    return Layer(name=FLEET, values=kept)


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


def _resolve(
    layers: Sequence[Layer],
    host: Host,
    check_address: AddressCheck | None,
    wished: set[str],
) -> Resolved:
    for layer in layers:
        for name in layer.values:
            if name not in SPECS:
                remedy = did_you_mean(name, NAMES, "see wnm --help for those that exist")
                raise BadInput(f"no setting is called {shortened(name)} ({layer.name}): {remedy}")
    stored = {layer.name: layer for layer in layers}.get(DATABASE)
    # The places of nodes, logs and keys depend on the process manager.
    is_set = stored is not None and "process_manager" in stored.values
    manager = _strongest(SPECS["process_manager"], [stored] if stored and is_set else layers, host)
    host = for_manager(host, str(manager[0]))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    changes: list[Change] = []
    for name, spec in SPECS.items():
        given = _strongest(spec, layers, host)
        if stored is not None:
            if spec.fixed:
                given = _fixed(spec, layers, stored, given[1], host)
            changes.extend(_change(spec, stored, given, host, is_wished=name in wished))
        values[name], origins[name] = given
        if origins[name] not in (DATABASE, DEFAULT, FLEET) and check_address is not None:
            _check_addresses(spec, given, stored, check_address)
    settings = Settings(**values)
    check_together(settings, origins)
    return Resolved(settings=settings, origins=origins, changes=tuple(changes))


def _strongest(spec: Spec, layers: Sequence[Layer], host: Host) -> _Given:
    for layer in layers:
        text = layer.values.get(spec.name)
        if text is not None:
            try:
                return spec.form.read(text, host), layer.name
            except ValueError as reason:
                given = "what is given" if spec.name in SECRET else shortened(text)
                raise BadInput(
                    f"{spec.name} cannot be {given} ({layer.name}): {reason}; give {spec.form.accepts}"
                ) from None
    if spec.default is REQUIRED:
        raise BadInput(f"{spec.name} is not given: add --{spec.name} with {spec.form.accepts}")
    return spec.default_for(host), DEFAULT


def _fixed(spec: Spec, layers: Sequence[Layer], stored: Layer, origin: str, host: Host) -> _Given:
    """The value that a fixed setting has; every layer above the database has to agree with it."""
    held = _strongest(spec, [stored], host)[0]
    for layer in layers:
        if layer is not stored and spec.name in layer.values and _strongest(spec, [layer], host)[0] != held:
            raise BadInput(
                f"{spec.name} cannot be {shortened(layer.values[spec.name])} ({layer.name}): it is "
                f"{shortened(spec.form.render(held))} since --init and cannot change; leave it out"
            )
    return held, origin


def _change(spec: Spec, stored: Layer, given: _Given, host: Host, *, is_wished: bool) -> tuple[Change, ...]:
    """The change to keep, if any; where a fleet wishes something, also a value that is stored: it outranks that."""
    value, origin = given
    if not spec.persisted or origin in (DATABASE, DEFAULT, FLEET):
        return ()
    old_text = stored.values.get(spec.name)
    if old_text is not None and not is_wished:
        # A stored text that cannot be read is about to be replaced.
        with suppress(ValueError):
            if spec.form.read(old_text, host) == value:
                return ()
    return (Change(name=spec.name, old_text=old_text, new_text=spec.form.render(value)),)


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
    ("netio_read_less_than", "netio_read_remove"),
    ("netio_write_less_than", "netio_write_remove"),
    ("hdio_read_less_than", "hdio_read_remove"),
    ("hdio_write_less_than", "hdio_write_remove"),
)


def check_together(settings: Settings, origins: Mapping[str, str]) -> None:
    """Refuse settings that contradict each other. BadInput names both, their origins and the remedy."""

    def shown(name: str) -> str:
        return f"{name} {SPECS[name].form.render(getattr(settings, name))} ({origins[name]})"

    for lower, upper in _ORDERED:
        low, high = getattr(settings, lower), getattr(settings, upper)
        is_off = lower.startswith(("netio_", "hdio_")) and not (low and high)
        if not low < high and not is_off:
            raise BadInput(
                f"{shown(lower)} has to be below {shown(upper)}: give a lower {lower} or a higher {upper}"
            )
    cap = settings.node_cap
    for name in ("port_start", "metrics_port_start"):
        highest = getattr(settings, name) * PORTS_PER_BLOCK + cap
        if highest > HIGHEST_PORT:
            raise BadInput(
                f"{shown(name)} leaves no room for {shown('node_cap')}: the last port would be {highest}, above "
                f"{HIGHEST_PORT}; give a lower one of the two"
            )
    if abs(settings.port_start - settings.metrics_port_start) * PORTS_PER_BLOCK < max(cap, 1):
        raise BadInput(
            f"the ports from {shown('port_start')} and from {shown('metrics_port_start')} overlap for "
            f"{shown('node_cap')}; give ones that are further apart"
        )
