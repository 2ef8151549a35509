"""Finds the files of an installation of anm and translates their texts into settings, without running any."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
from msgspec import Struct

from wnm.core.errors import NeedsOperator
from wnm.core.host import Host
from wnm.core.settings import SPECS, render
from wnm.system.files import open_regular
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
from wnm_adopt.plan import SettingsReader

CRON = "/etc/cron.d/anm"
"""The cron file that starts anm every minute."""
SCRIPT = "/usr/bin/anms.sh"
DATA = "/var/antctl"
CONFIG = f"{DATA}/config"
MARK = f"{DATA}/wnm-takeover"
"""The file in anm's folder that says which database its nodes went to: another account must not take them too."""
SYSTEM_LOGS = "/var/log/antnode"
UNITS = "/etc/systemd/system"
OTHER_UNITS = ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
"""The other folders that systemd reads units from, the strongest first."""
OF_USER = ("anm-wallet", "anm-control.sh", "no-reboot")
"""Names in `~/.local/share` of what its user may have added, by which it behaves differently."""

LARGEST_BYTES = 4 * 1024 * 1024
_SHELLS = frozenset({"sh", "bash", "dash"})
_CRON_FOLDERS = ("/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron")


def read_text(path: str) -> str | None:
    """The text of a file, None if there is none; bytes that are not UTF-8 are kept as surrogates.

    NeedsOperator if it is there and cannot be read, or is no plain file: what it says might matter.
    """
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NeedsOperator(
            f"{path} cannot be read ({error.strerror})", remedy="run this as root, or see to that file"
        ) from error
    if len(content) > LARGEST_BYTES:
        raise NeedsOperator(f"{path} is larger than {LARGEST_BYTES} bytes", remedy="see what is in it")
    return content.decode(errors="surrogateescape")


def running_anms(script: str = SCRIPT) -> Sequence[int]:
    """The processes that run anm at this moment: the script itself, or a shell that was given it.

    Also the shell of cron, which has it in the text of a command. An editor that has it open is none of them, nor is
    one that we run in: a shell that started us may have the name in its text and run it later.
    """
    name = Path(script).name
    ours = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        program = Path(words[0]).name if words else ""
        if program == name or (program in _SHELLS and any(name in word for word in words[1:])):
            found.add(process.info["pid"])
    return sorted(found - ours)


def cron_tables() -> Mapping[str, str]:
    """The other cron tables that might start it, by path, as far as they are plain files that can be read."""
    paths = [Path("/etc/crontab")]
    for folder in _CRON_FOLDERS:
        with suppress(OSError):
            paths += sorted(Path(folder).iterdir())
    found = {}
    for path in paths:
        # cron passes over names that begin with a dot.
        if str(path) != CRON and not path.name.startswith("."):
            with suppress(OSError), open_regular(str(path), follow_link=False) as file:
                found[str(path)] = file.read(LARGEST_BYTES).decode(errors="surrogateescape")
    return found


def starts_anm(text: str) -> bool:
    """Whether a line of a cron table starts it; in a user's own table no line names an account."""
    return any("anms.sh" in line and not line.lstrip().startswith("#") for line in text.splitlines())


_CRON_ENTRY = re.compile(
    r"(?P<off>#[#\s]*+)?+(?P<when>@[a-z]+|(?:[0-9A-Za-z*/,~-]+[ \t]+){4}[0-9A-Za-z*/,~-]+)"
    r"[ \t]+(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?)[ \t]+(?P<command>\S.*)"
)
_STARTS_ANM = re.compile(r"(?<![\w.-])anms\.sh(?![\w.-])")
_LONGEST_LINE = 2000
_DETAILS = re.compile(
    r"""\[["']?(?=0*[1-9])([0-9]{1,5})["']?\]=["']?antnode\1,([\w.+:/-]{0,120}),([\w.+:/-]{0,120}),"""
    r"""(?:RUNNING|STOPPED)["']?[\s)]""",
    re.ASCII,
)
_VERSION = re.compile(r"v?([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.-]*)")


class CronEntry(Struct, frozen=True):
    """One line of a system's cron table. `live` is false for one that is commented out; `line` counts from 1."""

    user: str
    when: str
    command: str
    live: bool
    line: int

    @property
    def starts_anm(self) -> bool:
        """Whether it starts anm's script."""
        return _STARTS_ANM.search(self.command) is not None


def read_cron_entries(text: str) -> tuple[CronEntry, ...]:
    """The lines of a system's cron table that start something, those that are commented out too; never fails."""
    found: list[CronEntry] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        match = _CRON_ENTRY.fullmatch(line) if len(line) <= _LONGEST_LINE else None
        if match is not None:
            live = match["off"] is None
            found.append(CronEntry(match["user"], match["when"], match["command"], live, number))
    return tuple(found)


def read_node_details(text: str) -> Mapping[int, tuple[str, str]]:
    """Read peer ids and versions of nodes by number from what bash's `declare -p` wrote of the array; never fails.

    The last array in the text counts. Entries that make no sense are left out: nothing relies on any.
    """
    found = _DETAILS.finditer(text, text.rfind("node_details_store=("))
    return {int(each[1]): (each[2], each[3]) for each in found}


def read_cpu_count(text: str) -> int | None:
    """The number of cores that anm found when it was installed and goes by since; None if that cannot be told."""
    found = read_assignments([("system", text)]).values.get("CpuCount")
    value = found.value.strip() if isinstance(found, Known) else ""
    return int(value) or None if re.fullmatch(r"[0-9]{1,9}", value) else None


def rewards_address_of(option: str) -> str:
    """The address in `--rewards-address 0x…`. ValueError says what is wrong with it."""
    value = _value_of(option, "--rewards-address")
    if value == "EtheriumAddress":
        raise ValueError("it is the placeholder of anm's installer")
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
        raise ValueError("it holds no address (0x and 40 hexadecimal digits)")
    return value


def version_of(option: str) -> str | None:
    """The version in `--version 0.4.16`; None for an empty text, which pins none. ValueError says what is wrong."""
    if not option.strip():
        return None
    found = _VERSION.fullmatch(_value_of(option, "--version"))
    if found is None:
        raise ValueError("it holds no version")
    return found[1]


def _value_of(option: str, name: str) -> str:
    """The one word that follows an option, or stands there without it."""
    words = [word for word in option.replace("=", " ", 1).split(" ") if word] if len(option) <= 400 else []
    if words and words[0] == name:
        words = words[1:]
    if len(words) != 1:
        raise ValueError(f"it is not {name} with one value")
    return words[0]


OVERRIDE = "/var/antctl/override"
SYSTEM = "/var/antctl/system"

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
    node_details: str | None = None


def read_anm_settings(
    texts: AnmTexts,
    *,
    cores: int,
    host: Host,
    unit_ports: Sequence[tuple[int, int]] = (),
    unit_storages: Sequence[str] = (),
    by_hand: frozenset[str] = frozenset(),
) -> SettingsReader:
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
    reader.conclude()
    return reader


class _Reader(SettingsReader):
    """Reads the settings out of the texts."""

    def __init__(self, texts: AnmTexts, cores: int, host: Host, by_hand: frozenset[str]) -> None:
        super().__init__(host, by_hand)
        self.texts = texts
        # In the order in which anm sources them.
        sourced = ((SYSTEM, texts.system), (CONFIG, texts.config), (OVERRIDE, texts.override))
        self.values = read_assignments([(file, text) for file, text in sourced if text is not None])
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
        found = self.values.get(key)
        if found is None:
            found = Unknown("it is not set", _whole_file(CONFIG))
        elif isinstance(found, Known) and (why := self._take(name, found, rewards_address_of)):
            found = Unknown(why, found.place)
        if isinstance(found, Unknown):
            self._not_known(key, name, found)

    def node_storage(self, unit_storages: Sequence[str]) -> None:
        key, name = "NodeStorage", "node_storage"
        found = self.values.get(key)
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

    def conclude(self) -> None:
        """Say what else was found: an order to anm, delays of the script, and what wnm knows nothing like."""
        action = self.values.values.get("Action")
        wish = action.value.strip() if isinstance(action, Known) else ""
        self.teardown_pending = self.texts.config is None or wish == "4"
        if wish == "4":
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
