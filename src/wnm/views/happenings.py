"""What happened, in the order of time: actions and changes of state, in words and for programs."""

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo

from msgspec import Struct

from wnm.core.decide.forced import BY_HAND
from wnm.core.node import Status, node_name
from wnm.core.outcome import Result
from wnm.core.sentences import sentence
from wnm.core.timeline import NO_EVENTS, ChangeRecord, Events, OperationRecord
from wnm.views.deeds import Names, node_name_of, outcome_view, past, verb, words_of
from wnm.views.explain import ended_words
from wnm.views.payload import Payload, moment
from wnm.views.text import Line, Tone, hanging, line, part
from wnm.views.times import day, local
from wnm.views.words import short_name

STOPS = frozenset({"StopNode", "RetireNode", "RemoveNode", "DisableNode"})
"""Actions that end a node's process and do not start it again."""
ENDS = frozenset({Status.STOPPED, Status.DEAD, Status.DISABLED})


class Happening(Struct, frozen=True, kw_only=True):
    """One action (`action` is its class name) or one change of state (`was`, `became`), and why.

    `rule` is what decided the cycle that an action belongs to, None if that is not kept. `result` is a Result's
    value, "interrupted", or None while nobody concluded it. `words` tells it without its reason.
    """

    at: datetime
    cycle: int
    node_id: int
    node: str
    words: str
    because: str
    action: str | None = None
    result: str | None = None
    error: str | None = None
    note: str | None = None
    freed_bytes: int | None = None
    was: Status | None = None
    became: Status | None = None
    rule: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether an action went wrong, or a node ended by itself."""
        if self.action is not None:
            return self.result not in (Result.DONE, Result.DEFERRED, Result.UNFINISHED, None)
        return self.became in (Status.STOPPED, Status.DEAD)

    @property
    def is_end(self) -> bool:
        """Whether the node was at rest after it, and was not before."""
        if self.action is not None:
            return self.action in STOPS and self.result not in (Result.DEFERRED, Result.FAILED)
        return self.became in ENDS and self.was not in ENDS

    @property
    def is_begin(self) -> bool:
        """Whether the node was at work after it, and was not before."""
        if self.action is not None:
            return self.action in ("AddNode", "StartNode") and self.result == Result.DONE
        return self.became is Status.RUNNING and self.was in ENDS


def happenings(events: Events, names: Names) -> tuple[Happening, ...]:
    """Everything, oldest first; in a cycle the changes come before the actions."""
    found = [((each.cycle, 0, each.id), _of_change(each, events)) for each in events.changes]
    found += [((each.cycle, 1, each.id), _of_operation(each, events, names)) for each in events.operations]
    return tuple(happening for _, happening in sorted(found, key=lambda pair: pair[0]))


def latest_happenings(operations: Mapping[int, OperationRecord], names: Names) -> Mapping[int, Happening]:
    """The same of single operations, by the id of their node."""
    return {number: _of_operation(each, NO_EVENTS, names) for number, each in operations.items()}


def _of_change(each: ChangeRecord, events: Events) -> Happening:
    return Happening(
        at=each.at,
        cycle=each.cycle,
        node_id=each.node_id,
        node=each.node,
        words=f"{each.was} -> {each.became}",
        because=each.because,
        was=each.was,
        became=each.became,
        rule=_rule(events, each.cycle),
    )


def _of_operation(each: OperationRecord, events: Events, names: Names) -> Happening:
    kind = type(each.action).__name__
    view = outcome_view(
        each.action,
        names,
        result=each.result,
        error=each.error,
        note=each.note,
        freed_bytes=each.freed_bytes,
    )
    name = node_name_of(each.action, names) or node_name(each.node_id)
    if each.result == Result.DONE:
        deed = words_of(each.action, names).removeprefix(f"{verb(kind)} {name}")
        words = past(kind) + deed + ended_words(view).removeprefix(past(kind))
    else:
        words = f"{verb(kind)}: {ended_words(view)}"
    return Happening(
        at=each.ended_at or each.intended_at,
        cycle=each.cycle,
        node_id=each.node_id,
        node=name,
        words=words,
        because=sentence(each.action.because, names),
        action=kind,
        result=each.result,
        error=each.error,
        note=each.note,
        freed_bytes=each.freed_bytes,
        rule=_rule(events, each.cycle),
    )


def _rule(events: Events, cycle: int) -> str | None:
    return events.cycles[cycle].rule if cycle in events.cycles else None


def who(each: Happening) -> str:
    """Who or what wanted it, for people: `by hand`, `wnm, by its rule pressure`, `nobody: it came by itself`."""
    if each.action is None:
        return "nobody: wnm found it so"
    if each.rule == BY_HAND:
        return "somebody, by hand"
    return "wnm" if each.rule is None else f"wnm, by its rule {each.rule}"


def tone_of(each: Happening) -> Tone:
    """Red is what went wrong, green what came up, yellow what was stopped on purpose."""
    if each.is_bad:
        return Tone.BAD
    if each.is_begin or each.became is Status.RUNNING:
        return Tone.GOOD
    if each.is_end:
        return Tone.WARN
    return Tone.BUSY if each.result != Result.DEFERRED else Tone.QUIET


def payload_of(each: Happening) -> Payload:
    """An action or a change for programs; every key is there, null where it does not apply."""
    return {
        "at": moment(each.at),
        "cycle": each.cycle,
        "node_id": each.node_id,
        "node": each.node,
        "kind": "change" if each.action is None else "action",
        "action": each.action,
        "was": None if each.was is None else each.was.value,
        "became": None if each.became is None else each.became.value,
        "result": each.result,
        "because": each.because,
        "rule": each.rule,
        "error": each.error,
        "note": each.note,
        "freed_bytes": each.freed_bytes,
    }


def told(every: Iterable[Happening], zone: tzinfo | None, width: int, *, with_names: bool) -> list[Line]:
    """A line or more for each, in the order given, below a heading for each day."""
    lines: list[Line] = []
    today = None
    for each in every:
        heading = day(each.at, zone)
        if heading != today:
            lines += (
                [line(part(heading, Tone.STRONG))]
                if today is None
                else [line(), line(part(heading, Tone.STRONG))]
            )
            today = heading
        lines.extend(_told(each, zone, width, with_names=with_names))
    return lines


def _told(each: Happening, zone: tzinfo | None, width: int, *, with_names: bool) -> list[Line]:
    lead = line(
        part(f"  {local(each.at, zone):%H:%M:%S}  ", Tone.QUIET), part(f"#{each.cycle:<6} ", Tone.QUIET)
    )
    if with_names:
        lead = line(lead, f"{short_name(each.node):<11} ")
    because = f", because: {each.because}" if each.because else ""
    return hanging(lead, f"{each.words}{because}", width, tone_of(each))
