"""Translates the settings of an older wnm: those carried over, those that are missing, those that cannot be right."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from wnm.core.errors import BadInput
from wnm.core.forms.numbers import plain
from wnm.core.forms.wallets import FAUCET
from wnm.core.host import Host, for_manager
from wnm.core.setting import REQUIRED
from wnm.core.setting_checks import check_together
from wnm.core.settings import SPECS, Settings, read, render
from wnm.core.suggest import shortened
from wnm_adopt.findings import FoundSettings, UnknownSetting, WrongSetting
from wnm_adopt.old_database import OldMachine, OldValue

PLACE = "older database"

_DELAYS = ("delay_start", "delay_restart", "delay_upgrade", "delay_remove")
_PORTS = ("node_cap", "port_start", "metrics_port_start")
# Without these, wnm's own default would be a guess about where the nodes are and who is paid.
_NEEDED = ("rewards_address", "process_manager", "port_start", "node_storage")
# A default in place of these would pay somebody else, or leave the nodes to nobody.
_NO_DEFAULT = ("rewards_address", "process_manager")
# What wnm has under the same name, if not in the same unit.
_CARRIED = (
    *("rewards_address", "donate_address", "node_cap"),
    *("cpu_less_than", "cpu_remove", "mem_less_than", "mem_remove", "hd_less_than", "hd_remove"),
    *("desired_load_average", "max_load_average_allowed", "crisis_bytes"),
    *("netio_read_less_than", "netio_read_remove", "netio_write_less_than", "netio_write_remove"),
    *("hdio_read_less_than", "hdio_read_remove", "hdio_write_less_than", "hdio_write_remove"),
    *("max_concurrent_upgrades", "max_concurrent_starts"),
    *("max_concurrent_removals", "max_concurrent_operations"),
    *_DELAYS,
    *("action_delay", "survey_delay"),
    *("process_manager", "port_start", "metrics_port_start", "host", "no_upnp"),
    *("antnode_path", "environment", "start_args", "node_storage"),
)
_OLD_PROGRAM = "~/.local/bin/antnode"
_PAIRS = (
    *((name, name.replace("_less_than", "_remove")) for name in SPECS if name.endswith("_less_than")),
    ("desired_load_average", "max_load_average_allowed"),
)


_SAME = {
    "systemd": "systemd",
    "systemd+sudo": "systemd",
    "systemd+user": "systemd+user",
    "setsid": "setsid",
    "setsid+user": "setsid",
    "setsid+sudo": "setsid",
    "launchd": "launchd",
    "launchd+user": "launchd",
}


@dataclass(slots=True, kw_only=True)
class _Sorting:
    """The four heaps that values are sorted onto."""

    host: Host
    by_hand: Collection[str]
    given: dict[str, str] = field(default_factory=dict)
    unknown: list[UnknownSetting] = field(default_factory=list)
    wrong: list[WrongSetting] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def defaults_of(self, *names: str) -> Mapping[str, str]:
        """The texts of wnm's defaults; none where they may not stand in."""
        if any(SPECS[name].default is REQUIRED or name in _NO_DEFAULT for name in names):
            return {}
        return {name: render(name, SPECS[name].default_for(self.host)) for name in names}

    def refuse(self, name: str, value: str, why: str) -> None:
        self.refuse_all((name,), (value,), why, self.defaults_of(name))

    def refuse_all(
        self, names: Sequence[str], values: Sequence[str], why: str, defaults: Mapping[str, str]
    ) -> None:
        """Some of these have to be others, or `defaults` stand in for all of them."""
        shown = " and ".join(f"{name} {text}" for name, text in zip(names, values, strict=True))
        self.wrong.append(
            WrongSetting(
                keys=tuple(names),
                where=PLACE,
                why=f"{shown}: {why}",
                options=tuple(names),
                defaults=defaults,
                joined=" or ",
            )
        )

    def value_of(self, name: str) -> Any:
        """The value that will hold if nobody gives another."""
        if name in self.given:
            return read(name, self.given[name], self.host)
        if name in _NO_DEFAULT:
            return read(name, FAUCET if name == "rewards_address" else "setsid", self.host)
        return SPECS[name].default_for(self.host)


def settings_from_old(
    machine: OldMachine | None, host: Host, by_hand: Collection[str] = frozenset()
) -> FoundSettings:
    """The settings there in wnm's units; those named in `by_hand` are not looked at."""
    values = machine.values if machine is not None else {}
    manager = values.get("process_manager")
    known = manager_of(manager, host) if isinstance(manager, str) else None
    sorting = _Sorting(host=for_manager(host, known or ""), by_hand=by_hand)
    if machine is None:
        sorting.notes.append("the older database holds no settings: its own --init had failed half-way")
    for name in _CARRIED:
        if name in by_hand:
            continue
        value = values.get(name)
        if value is not None and (not isinstance(value, str) or value.strip()):
            _carry(sorting, name, value, minutes=machine is not None and machine.delays_in == "minutes")
        elif name in _NEEDED:
            sorting.unknown.append(
                UnknownSetting(key=name, where=PLACE, reason="it is not there", option=name)
            )
    _check_donation(sorting, values)
    _check_pairs(sorting)
    _check_ports(sorting)
    _note_what_stays_behind(sorting, values)
    return FoundSettings(
        given=sorting.given,
        unknown=tuple(sorting.unknown),
        wrong=tuple(sorting.wrong),
        notes=tuple(sorting.notes),
    )


def _carry(sorting: _Sorting, name: str, value: OldValue, *, minutes: bool) -> None:
    if name == "antnode_path" and value == _OLD_PROGRAM:
        return  # the default of both, and wnm's also looks on PATH
    if name == "process_manager" and (why := why_not(str(value), sorting.host)) is not None:
        sorting.refuse(name, shortened(str(value)), why)
        return
    if name == "node_storage" and isinstance(value, str) and "," in value:
        sorting.refuse(name, shortened(value), "its name holds a comma, which would part it in two")
        return
    if name == "node_cap" and value == 0:
        sorting.refuse(name, "0", "it would remove every node")
        return
    text = _text(name, value, sorting.host, minutes=minutes)
    try:
        sorting.given[name] = render(name, read(name, text, sorting.host))
    except ValueError as reason:
        sorting.refuse(name, shortened(text), str(reason))
        return
    _note(sorting, name, value, minutes=minutes)


def _text(name: str, value: OldValue, host: Host, *, minutes: bool) -> str:
    """The value as wnm's own readers take it; they refuse what has the wrong type."""
    if isinstance(value, float):
        return plain(value) if math.isfinite(value) else str(value)
    if name in _DELAYS and isinstance(value, int) and not minutes:
        return str(value // 60) if value % 60 == 0 else f"{value}s"
    if name == "process_manager":
        return manager_of(str(value), host) or str(value)
    if name == "rewards_address" and isinstance(value, str):
        return ",".join(part for part in value.split(",") if part.strip()) or value
    return str(value)


def _note(sorting: _Sorting, name: str, value: OldValue, *, minutes: bool) -> None:
    """What a person should know of a value that is carried over."""
    carried = sorting.given[name]
    if name in _DELAYS and not minutes and isinstance(value, int) and 0 < value < 60:
        sorting.notes.append(
            f"{name} was {value} seconds there; "
            f"if it came from anm, which counts in minutes, give --{name} {value}"
        )
    elif name == "node_storage" and isinstance(value, str) and (value.startswith("~") or "$" in value):
        sorting.notes.append(
            f"node_storage was {shortened(value)} there, taken literally; new nodes go to {carried} now"
        )
    elif name == "environment" and len(sorting.value_of(name)) > 1:
        sorting.notes.append(
            "environment was one variable for nodes there, whatever its words; "
            "new nodes get one for each word"
        )
    elif name == "start_args":
        sorting.notes.append("start_args had no effect there; new nodes get them now")


def _check_donation(sorting: _Sorting, values: Mapping[str, OldValue]) -> None:
    """No default may decide who is paid: not where the wallets of nodes say `donate`."""
    uses_it = "donate" in str(values.get("rewards_address", "")).lower()
    for index, each in enumerate(sorting.wrong):
        if each.options == ("donate_address",) and uses_it and "rewards_address" not in sorting.by_hand:
            sorting.wrong[index] = replace(each, why=f"{each.why}, and nodes are to pay it", defaults={})


def _check_pairs(sorting: _Sorting) -> None:
    """The limit to add has to be below the limit to shed; both fall back together."""
    for low, high in _PAIRS:
        if low in sorting.by_hand or high in sorting.by_hand:
            continue
        below, above = sorting.value_of(low), sorting.value_of(high)
        is_off = "io_" in low and (not below or not above)
        if below < above or is_off:
            continue
        sorting.given.pop(low, None)
        sorting.given.pop(high, None)
        values = (render(low, below), render(high, above))
        defaults = sorting.defaults_of(low, high)
        sorting.refuse_all((low, high), values, "the first has to be below the second", defaults)


def _check_ports(sorting: _Sorting) -> None:
    """Whether all ports fit below 65536 and apart from each other."""
    if any(name in sorting.by_hand for name in _PORTS):
        return
    looked_at = (*_PORTS, *_NO_DEFAULT)
    values: dict[str, Any] = {
        name: sorting.value_of(name) if name in looked_at else spec.default_for(sorting.host)
        for name, spec in SPECS.items()
    }
    origins = {name: PLACE if name in sorting.given else "default" for name in SPECS}
    try:
        check_together(Settings(**values), origins)
    except BadInput as error:
        shown = [render(name, values[name]) for name in _PORTS]
        sorting.refuse_all(_PORTS, shown, str(error).partition("; give ")[0], {})


def _note_what_stays_behind(sorting: _Sorting, values: Mapping[str, OldValue]) -> None:
    strategy = values.get("node_removal_strategy")
    if strategy not in (None, "", "youngest"):
        sorting.notes.append(
            f"node_removal_strategy {shortened(str(strategy))} had no effect there; "
            "wnm removes the youngest first"
        )


def manager_of(name: str, host: Host) -> str | None:
    """The process manager here for one there, None if there is none on this machine for this account."""
    return _SAME[name.strip().lower()] if why_not(name, host) is None else None


def why_not(name: str, host: Host) -> str | None:
    """Why nodes under that process manager cannot be taken over, None if they can."""
    name = name.strip().lower()
    base = name.partition("+")[0]
    if base == "antctl":
        return "its nodes belong to antctl, whose services wnm does not run; wnm can only make new ones"
    if base in ("docker", "s6overlay"):
        return "its nodes run in containers, which wnm does not manage; wnm can only make new ones"
    if name not in _SAME:
        return (
            "wnm does not have it"
            if base != "launchd"
            else "wnm has launchd only for the account's own agents"
        )
    if base == "launchd" and host.platform != "darwin":
        return "it is only on macOS"
    if base == "systemd" and host.platform != "linux":
        return "it is only on Linux"
    if name == "setsid+sudo" and not host.is_root:
        return "its nodes run as root: run wnm as root too"
    return None
