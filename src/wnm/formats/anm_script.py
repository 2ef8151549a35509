"""What stands nowhere but in anm's own script: the base of its ports, and delays that win over the config."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wnm.formats.shell_assignments import Assignments, Known, Place, Remark, Source, Unknown, read_assignments
from wnm.formats.shell_commands import parse
from wnm.formats.shell_events import Does, Event, Frame, Inside
from wnm.formats.shell_words import Kind

DELAYS = ("DelayStart", "DelayUpgrade")

# From here on anm has delays of its own, unless the script says another number.
_USUAL_CORES = 24
_LONGEST_CONDITION = 300
_LONGEST_DELAY = 40
_MOST_REMARKS = 10
_AT_LEAST = re.compile(r"CpuCount\}?[\"']?\s*(>=|-ge|>|-gt)\s*[\"']?([0-9]{1,4})(?![0-9.])")
_AT_MOST = re.compile(r"(?<![0-9.])([0-9]{1,4})[\"']?\s*(<=|-le|<|-lt)\s*[\"']?\$?\{?CpuCount(?!\w)")
_SET_ON_THE_WAY = re.compile(r"&&\s*Delay\w+=\S+\s*")
_STORAGE = re.compile(r"(?<!\w)NodeStorage=[\"']?(/[^\s\"'\\>;&|$]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BigMachineDelay:
    """A delay in minutes that machines with `cores` cores and more have, whatever the config says."""

    name: str
    cores: int
    delay: Known | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class AnmScript:
    """What is read of the script; None for what is not in it.

    `port_base` is in thousands, as text. `storage` is where it writes that nodes are kept, without a `/` at the
    end. `delays` are in their order: the last one that fits a machine counts. `remarks` are on other lines that
    set one in some cases.
    """

    port_base: Known | Unknown | None
    version: str | None
    storage: str | None
    delays: tuple[BigMachineDelay, ...]
    remarks: tuple[Remark, ...] = ()

    def delay(self, name: str, cores: int) -> Known | Unknown | None:
        """What the script itself says of a delay on a machine with that many cores."""
        fitting = [each.delay for each in self.delays if each.name == name and each.cores <= cores]
        return fitting[-1] if fitting else None


def read_script(file: str, text: str) -> AnmScript:
    """Read the script without running it; never fails. It does its work, so it is taken to run to its end."""
    found = read_assignments([(file, text)], runs_to_its_end=True)
    storages = {
        match[1].rstrip("/")
        for line in text.split("\n")
        if not line.lstrip().startswith("#")
        for match in _STORAGE.finditer(line)
    }
    delays, remarks = _delays(Source(file, text))
    return AnmScript(
        port_base=found.values.get("ntpr"),
        version=_version(found),
        storage=storages.pop() if len(storages) == 1 else None,
        delays=delays,
        remarks=remarks,
    )


def _version(found: Assignments) -> str | None:
    value = found.values.get("vtrack")
    return value.value.strip()[:40] or None if isinstance(value, Known) else None


def _delays(source: Source) -> tuple[tuple[BigMachineDelay, ...], tuple[Remark, ...]]:
    parsed = parse(source.text)
    found: list[BigMachineDelay] = []
    remarks: list[Remark] = []
    branch: dict[tuple[str, tuple[Inside, ...]], Known | Unknown] = {}
    for event in parsed.events:
        if event.name not in DELAYS or event.does not in (Does.SET, Does.APPEND, Does.SPOIL):
            continue
        around = [each for each in event.inside if each.frame not in (Frame.FUNCTION, Frame.GROUP)]
        conditions = [_cores(each, source.text) for each in around]
        cores = max((each for each in conditions if each is not None), default=None)
        if cores is None and parsed.broken_at is not None and not event.inside and event.does is Does.SPOIL:
            cores = _USUAL_CORES
        place = source.place(event.begin)
        if cores is None:
            remarks.append(Remark(reason=f"the script itself may set {event.name}", place=place))
            continue
        delay: Known | Unknown = Unknown(reason="it depends on more than the number of cores", place=place)
        if len(around) <= 1:
            delay = _literal(event, place, branch)
        branch[event.name, event.inside] = delay
        found.append(BigMachineDelay(name=event.name, cores=cores, delay=delay))
    return tuple(found), tuple(remarks[:_MOST_REMARKS])


def _literal(
    event: Event, place: Place, branch: Mapping[tuple[str, tuple[Inside, ...]], Known | Unknown]
) -> Known | Unknown:
    """A value that is written out, or is that of the other delay in the same branch."""
    value = ""
    for piece in event.pieces:
        other = branch.get((piece.text, event.inside))
        if piece.kind in (Kind.BARE, Kind.QUOTED):
            value += piece.text
        elif piece.kind is Kind.REFERENCE and isinstance(other, Known):
            value += other.value
        else:
            return Unknown(reason="the script does not say it as a plain number", place=place)
        if len(value) > _LONGEST_DELAY or event.does is not Does.SET:
            return Unknown(reason="the script does not say it as a plain number", place=place)
    return Known(value=value, place=place)


def _cores(inside: Inside, text: str) -> int | None:
    """From how many cores on a branch is taken; None if it depends on anything else."""
    if inside.frame is not Frame.IF or inside.condition is None:
        return None
    begin, end = inside.condition
    condition = _SET_ON_THE_WAY.sub("", text[begin : min(end, begin + _LONGEST_CONDITION)])
    if "!" in condition or "&&" in condition or "||" in condition:
        return None
    at_least, at_most = _AT_LEAST.search(condition), _AT_MOST.search(condition)
    if at_least is not None:
        return int(at_least[2]) + (at_least[1] in (">", "-gt"))
    if at_most is not None:
        return int(at_most[1]) + (at_most[2] in ("<", "-lt"))
    return None
