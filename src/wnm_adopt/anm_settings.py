"""Translates the texts of anm's files into wnm's settings, without running any of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from wnm.core.host import Host
from wnm.core.settings import SPECS, render
from wnm_adopt.anm_files import CONFIG, SCRIPT, read_cpu_count, rewards_address_of, version_of
from wnm_adopt.bash_texts import (
    BIG_MACHINE_CORES,
    DELAYS,
    AnmScript,
    Known,
    Place,
    Unknown,
    read_assignments,
    read_script,
)
from wnm_adopt.plan import FoundSettings, SettingsReader

OVERRIDE = "/var/antctl/override"
SYSTEM = "/var/antctl/system"
TEARDOWN_CONFIG = "/var/antctl/teardown_config"

NUMBERS: Mapping[str, str] = {
    "NodeCap": "node_cap",
    "CpuLessThan": "cpu_less_than",
    "CpuRemove": "cpu_remove",
    "MemLessThan": "mem_less_than",
    "MemRemove": "mem_remove",
    "HDLessThan": "hd_less_than",
    "HDRemove": "hd_remove",
    "DesiredLoadAverage": "desired_load_average",
    "MaxLoadAverageAllowed": "max_load_average_allowed",
    "DelayStart": "delay_start",
    "DelayReStart": "delay_restart",
    "DelayUpgrade": "delay_upgrade",
    "DelayRemove": "delay_remove",
}
"""Keys of anm's that hold one number, and wnm's settings for them; delays are minutes in both."""

_NO_DEFAULT = frozenset({"NodeCap", "NodeStorage"})
"""Keys that a config must have: wnm's default would be a guess about how many nodes there are, and where."""

_OTHERS = ("RewardsAddress", "NodeStorage", "NodeVersion", "Action")
_NOT_NEEDED = frozenset({"UpgradeHour", "UpgradeMin", "DiscordUsername", "CpuCount"})
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_PORT_BASE = re.compile(r"[1-9][0-9]?")
_METRICS_BASE = 13
_LAST_PORT_BASE = 65
# Settings that have to fit each other, and those of them that defaults stand in for if they do not.
_TOGETHER = (
    *((pair, pair) for pair in (
        ("cpu_less_than", "cpu_remove"), ("mem_less_than", "mem_remove"), ("hd_less_than", "hd_remove"),
        ("desired_load_average", "max_load_average_allowed"),
    )),
    (("node_cap", "port_start"), ("node_cap",)),
)  # fmt: skip


class AnmTexts(Struct, frozen=True, kw_only=True):
    """The texts of anm's files, decoded with `surrogateescape`; None for a file that is not there."""

    config: str | None = None
    override: str | None = None
    script: str | None = None
    system: str | None = None
    teardown_config: str | None = None
    node_details: str | None = None


def read_anm_settings(
    texts: AnmTexts,
    *,
    cores: int,
    host: Host,
    unit_ports: Sequence[tuple[int, int]] = (),
    unit_storages: Sequence[str] = (),
    by_hand: frozenset[str] = frozenset(),
) -> FoundSettings:
    """Read all settings; never fails.

    `unit_ports` are ids and ports of nodes, `unit_storages` the folders that hold their root directories, as the
    units have them. Settings named in `by_hand` are given on the command line and not looked for.
    """
    reader = _Reader(texts, cores, host, by_hand)
    for key, name in NUMBERS.items():
        if name not in by_hand:
            reader.number(key, name)
    others: Mapping[str, Callable[[], None]] = {
        "rewards_address": reader.rewards_address,
        "node_storage": partial(reader.node_storage, unit_storages),
        "node_version": reader.node_version,
        "port_start": partial(reader.port_start, unit_ports),
    }
    for name, take in others.items():
        if name not in by_hand:
            take()
    reader.say_what_is_missing()
    reader.check_pairs()
    return reader.result()


class _Reader(SettingsReader):
    """Reads the settings out of the texts."""

    def __init__(self, texts: AnmTexts, cores: int, host: Host, by_hand: frozenset[str]) -> None:
        super().__init__(host, by_hand)
        self.texts = texts
        # In the order in which anm sources them.
        sourced = ((SYSTEM, texts.system), (CONFIG, texts.config), (OVERRIDE, texts.override))
        self.values = read_assignments([(file, text) for file, text in sourced if text is not None])
        self.torn_down = read_assignments([(TEARDOWN_CONFIG, texts.teardown_config or "")])
        self.script: AnmScript | None = None if texts.script is None else read_script(SCRIPT, texts.script)
        self.cores = read_cpu_count(texts.system or "") or cores
        self.places: dict[str, Place] = {}
        self.missing: dict[str, str] = {}
        self.notes += map(str, self.values.remarks)

    def number(self, key: str, name: str) -> None:
        whole = name == "node_cap" or name.startswith("delay_")

        def text_of(value: str) -> str:
            text = value.strip(" \t")
            if not (_WHOLE if whole else _PLAIN).fullmatch(text):
                raise ValueError(f"it is no {'whole ' if whole else ''}number")
            return text

        found = self._delay(key, self.values.get(key)) if key in DELAYS else self.values.get(key)
        if found is None:
            self.missing[key] = name
        elif isinstance(found, Unknown):
            self._not_known(key, name, found)
        elif why := self._take(name, found, text_of):
            self._cannot_be(key, name, found, f"{why}, and {name} takes {SPECS[name].form.accepts}")

    def _delay(self, key: str, found: Known | Unknown | None) -> Known | Unknown | None:
        """On big machines the script has delays of its own."""
        if self.script is None:
            if self.cores >= BIG_MACHINE_CORES:
                self.notes.append(
                    f"{SCRIPT} is missing: whether it has a {key} of its own for {self.cores} cores is not known"
                )
            return found
        own = self.script.delay(key, self.cores)
        if isinstance(own, Known) and not (isinstance(found, Known) and found.value.strip() == own.value):
            config = "whatever the config says"
            if isinstance(found, Known):
                config = f"{found.place.file} says {found.value.strip()}"
            self.notes.append(
                f"with {self.cores} cores {key} is the script's own {own.value} "
                f"({own.place.file}:{own.place.line}), {config}"
            )
        return found if own is None else own

    def rewards_address(self) -> None:
        key, name = "RewardsAddress", "rewards_address"
        found = self.values.get(key) or self.torn_down.get(key)
        if found is None:
            found = Unknown("it is not set", _whole_file(CONFIG))
        elif isinstance(found, Known) and (why := self._take(name, found, rewards_address_of)):
            found = Unknown(why, found.place)
        if isinstance(found, Unknown):
            self._not_known(key, name, found)

    def node_storage(self, unit_storages: Sequence[str]) -> None:
        key, name = "NodeStorage", "node_storage"
        found = self.values.get(key) or self.torn_down.get(key)
        if found is None and self.script is not None and self.script.storage:
            found = Known(self.script.storage, _whole_file(SCRIPT))
        if isinstance(found, Unknown):
            self._not_known(key, name, found, matters=not unit_storages)
        elif found is None:
            self.missing |= {} if unit_storages else {key: name}
        elif (why := self._take(name, found, _storage)) is None:
            for folder in unit_storages:
                if folder != self.given[name]:
                    self.notes.append(f"nodes are in {folder} too, not only in {self.given[name]}")
        elif unit_storages:
            self.notes.append(f"{found.place}: {why}; what the units say is taken instead")
        else:
            self._cannot_be(key, name, found, why)

    def node_version(self) -> None:
        key, name = "NodeVersion", "node_version"
        found = self.values.get(key)
        if isinstance(found, Unknown):
            self._not_known(key, name, found, matters=False)
        elif found is not None and (why := self._take(name, found, version_of)):
            self._cannot_be(key, name, found, why)

    def port_start(self, unit_ports: Sequence[tuple[int, int]]) -> None:
        bases = {(port - id_) // 1000 if (port - id_) % 1000 == 0 else None for id_, port in unit_ports}
        base = bases.pop() if len(bases) == 1 else None
        found = self.script.port_base if self.script is not None else None
        if found is None:
            found = Unknown("it is not in the script", _whole_file(SCRIPT))
        reason = found.reason if isinstance(found, Unknown) else _port_problem(found.value)
        if isinstance(found, Known) and not reason:
            self._take("port_start", found, str.strip)
            if unit_ports and base != int(found.value):
                self.notes.append(f"{found.place}: not all nodes have their ports there; they keep them")
        elif base is not None and not _port_problem(str(base)):
            self._take("port_start", Known(str(base), _whole_file("the units")), str)
            self.notes.append(f"{found.place}: {reason}; port_start {base} is what the units say")
        else:
            units = "the units do not agree on one" if unit_ports else "no unit tells it"
            self._not_known("ntpr", "port_start", Unknown(f"{reason}, and {units}", found.place))

    def _take(self, name: str, found: Known, text_of: Callable[[str], str | None]) -> str | None:
        """Give what `text_of` makes of a value, None for nothing; or say why it cannot be."""
        try:
            if found.value.endswith("\r"):
                raise ValueError("its line ends as on Windows, and bash takes that for a part of the value")
            text = text_of(found.value)
            if text is not None:
                self.give(name, text)
                self.places[name] = found.place
        except ValueError as reason:
            return str(reason)
        return None

    def _not_known(self, key: str, name: str, found: Unknown, *, matters: bool = True) -> None:
        self.not_known(key, str(found.place), found.reason, name, matters=matters)

    def _cannot_be(self, key: str, name: str, found: Known, why: str) -> None:
        self.wrong((key,), str(found.place), f"{key} cannot be that: {why}", (name,))

    def say_what_is_missing(self) -> None:
        """wnm's defaults stand in for delays and thresholds; without the whole config, or its cap, only if accepted."""
        no_config = self.texts.config is None
        needed = {key: name for key, name in self.missing.items() if no_config or key in _NO_DEFAULT}
        for key, name in self.missing.items():
            if key not in needed:
                self.notes.append(f"{CONFIG}: {key} is not set: {self._stand_in(name)}")
        if needed:
            because = "there is no such file, so " if no_config else ""
            why = f"{because}{', '.join(needed)} {'is' if len(needed) == 1 else 'are'} not set"
            self.wrong(tuple(needed), CONFIG, why, tuple(needed.values()))

    def _stand_in(self, name: str) -> str:
        """The words for a missing limit or delay: wnm's default, or one in proportion if the other limit forbids it."""
        default = self.default(name)
        pair = next((names for names, _ in _TOGETHER if name in names), (name,))
        other = next((each for each in pair if each in self.given), None)
        if other is not None:
            limit, usual = self.value_of(other), self.default(other)
            if (limit >= default) == (usual < default) or limit == default:
                fitting = round(limit * default / usual, 1)
                self.given[name] = render(name, min(fitting, 100.0) if name.endswith("_remove") else fitting)
                self.places[name] = _whole_file(CONFIG)
                shown = render(name, default)
                return f"wnm's default {shown} does not fit {other}, so it is {self.given[name]}"
        return f"wnm's default holds, {name} {render(name, default)}"

    def check_pairs(self) -> None:
        """Take out what contradicts each other, also where a default has to stand in for one of the two."""
        not_looked_at = {*(each.options[0] for each in self.open if not each.defaults), *self.by_hand}
        keys = {name: key for key, name in NUMBERS.items()} | {"port_start": "ntpr"}
        for names, replaced in _TOGETHER:
            ours = [name for name in names if name in self.given]
            if not ours or not_looked_at.intersection(names):
                continue
            origins = {name: keys[name] if name in self.given else "wnm's default" for name in names}
            why = self.contradiction(ours, origins)
            if why is not None:
                where = "; ".join(str(self.places[name]) for name in ours)
                self.wrong([keys[name] for name in ours], where, why, replaced)
                for name in replaced:
                    self.given.pop(name, None)

    def result(self) -> FoundSettings:
        pending = self.texts.config is None
        action = self.values.values.get("Action")
        wish = action.value.strip() if isinstance(action, Known) else ""
        if wish == "4":
            pending = True
            about = "anm is told to take every node away"
        elif wish in ("1", "2"):
            about = "what anm is told to force is not taken over"
        elif isinstance(action, Unknown):
            about = f"whether anm is told to force something: {action.reason}"
        else:
            about = ""
        if action is not None and about:
            self.notes.append(f"{action.place}: {about}")
        if self.script is not None:
            self.notes += self.script.remarks(self.cores)
        others = set(self.values.values) - {*NUMBERS, *_OTHERS, *_NOT_NEEDED}
        if others:
            shown = ", ".join(sorted(others)[:20])
            self.notes.append(f"not taken over, for wnm knows nothing like it: {shown}")
        return self.found(teardown_pending=pending)


def _whole_file(file: str) -> Place:
    return Place(file=file, line=0, text="")


def _storage(text: str) -> str:
    # wnm would expand the first two, and take the third for two folders.
    if not text.startswith("/") or "$" in text or "," in text:
        raise ValueError("it is no absolute path that wnm can take as it is")
    return text


def _port_problem(text: str) -> str:
    """Return why a port base is invalid; empty if it is valid."""
    if not _PORT_BASE.fullmatch(text.strip()) or int(text) > _LAST_PORT_BASE:
        return f"it is no whole number from 1 to {_LAST_PORT_BASE}"
    return "the metrics ports of nodes are there" if int(text) == _METRICS_BASE else ""
