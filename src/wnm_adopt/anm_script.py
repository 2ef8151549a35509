"""What stands nowhere but in anm's own script: the base of its ports, and delays that win over the config."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from wnm_adopt.shell_assignments import Assignments, Known, Place, Remark, Source, Unknown, read_assignments
from wnm_adopt.shell_commands import parse
from wnm_adopt.shell_events import Does, Event, Frame, Inside
from wnm_adopt.shell_words import Kind

DELAYS = ("DelayStart", "DelayUpgrade")

# From here on anm has delays of its own, unless the script says another number.
_USUAL_CORES = 24
_LONGEST_CONDITION = 300
_LONGEST_DELAY = 40
_MOST_REMARKS = 10
_COMPARED = re.compile(
    r"(?:CpuCount|nproc)[}\"')`]*\s*(>=|-ge|>|-gt|<=|-le|<|-lt)\s*[\"']?([0-9]{1,4})(?![0-9.])"
)
_TURNED_AROUND = re.compile(
    r"(?<![0-9.])([0-9]{1,4})[\"']?\s*(>=|-ge|>|-gt|<=|-le|<|-lt)\s*[\"']?[$({`]*(?:CpuCount|nproc)(?!\w)"
)
_OPPOSITE = {">=": "<", "<": ">=", ">": "<=", "<=": ">"}
_MIRRORED = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}
_BY_LETTERS = {"-ge": ">=", "-gt": ">", "-le": "<=", "-lt": "<"}
_SET_ON_THE_WAY = re.compile(r"&&\s*Delay\w+=\S+\s*")
_STORAGE = re.compile(r"(?<!\w)NodeStorage=[\"']?(/[^\s\"'\\>;&|$]*)")


class BigMachineDelay(Struct, frozen=True, kw_only=True):
    """A delay in minutes that machines with `cores` cores and more have, whatever the config says.

    Those with `below` cores and more do not, if it is given.
    """

    name: str
    cores: int
    delay: Known | Unknown
    below: int | None = None

    def fits(self, cores: int) -> bool:
        """Whether a machine with that many cores has it."""
        return self.cores <= cores and (self.below is None or cores < self.below)


class AnmScript(Struct, frozen=True, kw_only=True):
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
        fitting = [each.delay for each in self.delays if each.name == name and each.fits(cores)]
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
    elsewhere: dict[str, list[Known | Unknown]] = {}
    for event in parsed.events:
        if event.name not in DELAYS or event.does not in (Does.SET, Does.APPEND, Does.SPOIL):
            continue
        around = [each for each in event.inside if each.frame not in (Frame.FUNCTION, Frame.GROUP)]
        ranges = [_cores(each, source.text) for each in around]
        low, below = _together(ranges)
        if not low and parsed.broken_at is not None and not event.inside and event.does is Does.SPOIL:
            low = _USUAL_CORES
        place = source.place(event.begin)
        delay = _literal(event, place, branch)
        if not low:
            remarks.append(Remark(reason=f"the script itself may set {event.name}", place=place))
            if event.does is not Does.SPOIL and (below is None or below > _USUAL_CORES):
                elsewhere.setdefault(event.name, []).append(delay)
                branch[event.name, event.inside] = delay
            continue
        if len(around) > 1:
            delay = Unknown(reason="it depends on more than the number of cores", place=place)
        branch[event.name, event.inside] = delay
        found.append(BigMachineDelay(name=event.name, cores=low, delay=delay, below=below))
    said = {each.name for each in found}
    found += [_literal_of_big(name, set_) for name, set_ in elsewhere.items() if name not in said]
    return tuple(found), tuple(remarks[:_MOST_REMARKS])


def _literal_of_big(name: str, found: Sequence[Known | Unknown]) -> BigMachineDelay:
    """The number that the script has, if it does not say in words that are understood for which machines."""
    values = {each.value for each in found if isinstance(each, Known)}
    delay = found[-1]
    if len(values) > 1 or (values and not isinstance(delay, Known)):
        delay = Unknown(reason="the script sets it in more than one way", place=delay.place)
    return BigMachineDelay(name=name, cores=_USUAL_CORES, delay=delay)


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


def _together(ranges: Sequence[tuple[int, int | None] | None]) -> tuple[int, int | None]:
    """From how many cores on, and below how many, all conditions hold that are understood."""
    low = max((each[0] for each in ranges if each is not None), default=0)
    high = min((each[1] for each in ranges if each is not None and each[1] is not None), default=None)
    return low, high


def _cores(inside: Inside, text: str) -> tuple[int, int | None] | None:
    """From how many cores on, and below how many, a branch is taken; None if it depends on anything else."""
    if inside.frame not in (Frame.IF, Frame.OR):
        return None
    ranges = [_range(each, text, negated=True) for each in inside.unless]
    if inside.condition is not None:
        ranges.append(_range(inside.condition, text, negated=False))
    return _together(ranges) if ranges and None not in ranges else None


def _range(where: tuple[int, int], text: str, *, negated: bool) -> tuple[int, int | None] | None:
    """The numbers of cores with which one condition holds, or does not."""
    begin, end = where
    condition = _SET_ON_THE_WAY.sub("", text[begin : min(end, begin + _LONGEST_CONDITION)])
    if "&&" in condition or "||" in condition or re.search(r"!=|==\s*0", condition):
        return None
    if condition.count("!") % 2:
        negated = not negated
    found, turned = _COMPARED.search(condition), _TURNED_AROUND.search(condition)
    if found is not None:
        operator, number = _BY_LETTERS.get(found[1], found[1]), int(found[2])
    elif turned is not None:
        operator, number = _MIRRORED[_BY_LETTERS.get(turned[2], turned[2])], int(turned[1])
    else:
        return None
    operator = _OPPOSITE[operator] if negated else operator
    number += operator in (">", "<=")
    return (number, None) if operator in (">", ">=") else (0, number)
