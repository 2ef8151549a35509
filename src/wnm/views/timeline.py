"""Tells what happened, in the order of time: to a machine (history) or to one node (story), with its reasons."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

from wnm.core.action import Result
from wnm.core.decision import BY_HAND
from wnm.core.earnings import ant_text
from wnm.core.node import Status
from wnm.core.observation import NodeSeen, Unseen
from wnm.core.readings import BYTES_PER_SECOND, READINGS, Gauge, gauges
from wnm.core.reasons import Blocked
from wnm.core.sentences import sentence
from wnm.core.settings import Settings
from wnm.core.timeline import MEASURES, NO_EVENTS, Events, OperationRecord, SampleRecord
from wnm.views import charts
from wnm.views.actions import Names, names_in, node_name_of, outcome_view, particulars, past, verb
from wnm.views.charts import Trends
from wnm.views.explain import end_details, ended_words, held_payload, held_words, limits_then
from wnm.views.material import CycleView, Material, disks_of, facts_of
from wnm.views.payload import Payload, envelope, moment, picked
from wnm.views.reports import facts_payload, known, limits, limits_payload, reachability
from wnm.views.text import Line, Tone, columns, hanging, line, part
from wnm.views.words import NOTHING, at, at_and_ago, day, local, printable, short_name, size, span, zone_name

STOPS = frozenset({"StopNode", "RetireNode", "RemoveNode", "DisableNode"})
"""Actions that end a node's process and do not start it again."""
ENDS = frozenset({Status.STOPPED, Status.DEAD, Status.DISABLED})

STATUS_TONES = {
    Status.RUNNING: Tone.GOOD,
    Status.STOPPED: Tone.WARN,
    Status.DEAD: Tone.BAD,
    Status.DISABLED: Tone.QUIET,
}
"""The tone of each status; those that are missing are transitions."""


class Event(Struct, frozen=True, kw_only=True):
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


def events_of(events: Events, names: Names) -> tuple[Event, ...]:
    """Everything, oldest first; in a cycle the changes come before the actions."""
    found: list[tuple[tuple[int, int, int], Event]] = []
    for each in events.changes:
        event = Event(
            **{name: getattr(each, name) for name in _OF_CHANGE},
            words=f"{each.was} -> {each.became}",
            rule=_rule(events, each.cycle),
        )
        found.append(((each.cycle, 0, each.id), event))
    found += [((each.cycle, 1, each.id), _of_operation(each, events, names)) for each in events.operations]
    return tuple(event for _, event in sorted(found, key=lambda pair: pair[0]))


_OF_OPERATION = ("cycle", "node_id", "result", "error", "note", "freed_bytes")
_OF_CHANGE = ("at", "cycle", "node_id", "node", "because", "was", "became")


def latest_events(operations: Mapping[int, OperationRecord], names: Names) -> Mapping[int, Event]:
    """The same of single operations, by the id of their node."""
    return {number: _of_operation(each, NO_EVENTS, names) for number, each in operations.items()}


def _of_operation(each: OperationRecord, events: Events, names: Names) -> Event:
    view = outcome_view(each.action, names, each)
    words = f"{verb(view.kind)}: {ended_words(view)}"
    if each.result == Result.DONE:
        words = f"{past(view.kind)}{particulars(each.action)}{end_details(view)}"
    return Event(
        **{name: getattr(each, name) for name in _OF_OPERATION},
        at=each.ended_at or each.intended_at,
        node=node_name_of(each.action, names),
        words=words,
        because=sentence(each.action.because, names),
        action=view.kind,
        rule=_rule(events, each.cycle),
    )


def _rule(events: Events, cycle: int) -> str | None:
    return events.cycles[cycle].rule if cycle in events.cycles else None


def tone_of(each: Event) -> Tone:
    """Red is what went wrong, green what came up, yellow what was stopped on purpose."""
    if each.is_bad:
        return Tone.BAD
    if each.is_begin or each.became is Status.RUNNING:
        return Tone.GOOD
    if each.is_end:
        return Tone.WARN
    return Tone.BUSY if each.result != Result.DEFERRED else Tone.QUIET


def event_payload(each: Event) -> Payload:
    """An action or a change for programs; every key is there, null where it does not apply."""
    kind = {"kind": "change" if each.action is None else "action"}
    last = ("action", "was", "became", "result", "because", "rule", "error", "note", "freed_bytes")
    return {**picked(each, ("at", "cycle", "node_id", "node")), **kind, **picked(each, last)}


def event_lines(every: Iterable[Event], zone: tzinfo | None, width: int, *, with_names: bool) -> list[Line]:
    """A line or more for each, in the order given, below a heading for each day."""
    lines: list[Line] = []
    today = None
    for each in every:
        heading = day(each.at, zone)
        if heading != today:
            lines += [*([line()] if today else []), line(part(heading, Tone.STRONG))]
            today = heading
        lead = line(part(f"  {local(each.at, zone):%H:%M:%S}  #{each.cycle:<6} ", Tone.QUIET))
        if with_names:
            lead = line(lead, f"{short_name(each.node):<11} ")
        because = f", because: {each.because}" if each.because else ""
        lines += hanging(lead, f"{each.words}{because}", width, tone_of(each))
    return lines


class Chronicle(Struct, frozen=True, kw_only=True):
    """Everything since `since`, oldest first; `earlier` events are left out.

    `node` is the name of the only node that it is about, and then there are no trends.
    """

    generated_at: datetime
    since: datetime
    days: int
    node: str | None
    happened: tuple[Event, ...]
    earlier: int
    trends: Trends | None
    settings: Settings


def history_payload(chronicle: Chronicle) -> Payload:
    """The history for programs: events oldest first, and the buckets of the readings, null where there are none."""
    trends = chronicle.trends
    content: Payload = {
        "since": moment(chronicle.since),
        "node": chronicle.node,
        "events": [event_payload(each) for each in chronicle.happened],
        "earlier_events": chronicle.earlier,
        "trends": None,
    }
    if trends is not None:
        spreads = {bucket.index: bucket.spreads for bucket in trends.buckets}
        every = [spreads.get(index, {}) for index in range(trends.range.buckets)]
        earned = sorted(trends.earned.items())
        content["trends"] = {
            "range": trends.range.name,
            **picked(trends, ("since", "until")),
            "bucket_seconds": trends.range.bucket_seconds,
            "measures": {
                measure: [
                    {each: round(getattr(of[measure], each), 3) for each in ("low", "mean", "high")}
                    if measure in of
                    else None
                    for of in every
                ]
                for measure in MEASURES
            },
            "earned": [
                {"day": day.isoformat(), "attos": str(attos), "ant": ant_text(attos)} for day, attos in earned
            ],
        }
    return envelope(chronicle.generated_at, content)


def history_lines(chronicle: Chronicle, zone: tzinfo | None, width: int, *, dots: bool) -> list[Line]:
    """The events by day, then the charts."""
    about = "" if chronicle.node is None else f" to {chronicle.node}"
    span = "day" if chronicle.days == 1 else f"{chronicle.days} days"
    words = f"what happened{about} over the last {span}"
    lines = [_titled(words, chronicle.generated_at, chronicle.happened, zone), line()]
    if chronicle.earlier:
        words = f"{chronicle.earlier:,} earlier events are left out: give a larger --limit"
        lines += [line(part(words, Tone.QUIET)), line()]
    if chronicle.happened:
        lines += event_lines(chronicle.happened, zone, width, with_names=chronicle.node is None)
    else:
        lines.append(line("nothing: no action, and no node changed its state"))
    if chronicle.trends is not None:
        lines += [line(), *charts.trend_lines(chronicle.trends, chronicle.settings, zone, width, dots=dots)]
    return lines


def _titled(words: str, now: datetime, happened: Sequence[Event], zone: tzinfo | None) -> Line:
    """The heading of events, with the zone of their times."""
    zone_words = f", times in {zone_name(now, zone, happened[0].at if happened else None)}"
    return line(part(words, Tone.STRONG), part(zone_words, Tone.QUIET))


class Story(Struct, frozen=True, kw_only=True):
    """The input of a story. `seen` is None when the node is gone, `happened` is oldest first.

    `stop` is the last time that it came to rest, `stop_cycle` and `stop_sample` what was recorded then, None where
    that is not kept. `earlier` events are left out.
    """

    name: str
    material: Material
    seen: NodeSeen | None
    happened: tuple[Event, ...]
    stop: Event | None
    stop_cycle: CycleView | None
    stop_sample: SampleRecord | None
    earlier: int


def last_stop(happened: Sequence[Event]) -> Event | None:
    """The last time that the node came to rest."""
    return next((each for each in reversed(happened) if each.is_end), None)


def story_payload(story: Story) -> Payload:
    """The story for programs; `node` is null when it is gone, `last_stop` when it never came to rest."""
    material, node = story.material, None
    if story.seen is not None:
        node = facts_payload(facts_of(story.seen, material.observed_at))
    content = {
        "name": story.name,
        "node": node,
        "because": None if story.seen is None else story.seen.node.because,
        "waits_for": [held_payload(held, names_in(material.cycle)) for held in waits_of(story)],
        "last_stop": _stop_payload(story),
        "events": [event_payload(each) for each in story.happened],
        "earlier_events": story.earlier,
    }
    return envelope(material.generated_at, content)


def story_lines(story: Story, zone: tzinfo | None, width: int) -> list[Line]:
    """Return its present state, its last stop with the readings of that time, and its story, newest first."""
    lines = _now(story, zone, width)
    lines += [line(), *_stop(story, zone, width)]
    head = _titled("its story, the newest first", story.material.generated_at, story.happened, zone)
    lines += [line(), head]
    if not story.happened:
        return [*lines, line("  nothing is recorded of it")]
    lines += event_lines(reversed(story.happened), zone, width, with_names=False)
    if story.earlier:
        lines.append(line(part(f"  and {story.earlier:,} earlier: give a larger --limit", Tone.QUIET)))
    return lines


def waits_of(story: Story) -> tuple[Blocked, ...]:
    """Return the tasks on this very node that the latest cycle held back."""
    if story.material.cycle is None or story.seen is None:
        return ()
    own = story.seen.node.id
    return tuple(held for held in story.material.cycle.held if own in held.nodes)


def _now(story: Story, zone: tzinfo | None, width: int) -> list[Line]:
    now = story.material.generated_at
    if story.seen is None:
        gone = "is no node any more" if story.happened else "is not known"
        return [line(part(f"{story.name} {gone}", Tone.STRONG))]
    node, facts = story.seen.node, facts_of(story.seen, story.material.observed_at)
    status = part(node.status, STATUS_TONES.get(node.status, Tone.BUSY))
    lines = [line(part(f"{node.name} is ", Tone.STRONG), status)]
    answer, running, own = reachability(facts), facts.version, facts.binary_version
    asked = "its metrics were not asked" if answer == NOTHING else f"its metrics port {answer}"
    differ = running and own and running != own
    entries = [
        ("since", at_and_ago(node.status_since, now, zone)),
        ("because", node.because or NOTHING),
        ("process", f"{facts.process}, {asked}"),
        ("version", f"{running} runs, {own} is on disk" if differ else known(running or own)),
        ("born", f"{at_and_ago(node.born, now, zone)}, port {node.port}, in {node.root_dir}"),
    ]
    if node.last_error and node.last_error != node.because:
        entries.insert(2, ("last error", node.last_error))
    lines += _entries(entries, width)
    waits, names = waits_of(story), names_in(story.material.cycle)
    for held in waits:
        for words in held_words(held, now, names):
            lines += hanging(line("  ", part(f"{'held back':<12}", Tone.QUIET)), words, width, Tone.WARN)
    return lines if waits else [*lines, *_entries([("waits", "for nothing")], width)]


def _entries(entries: Sequence[tuple[str, str]], width: int) -> list[Line]:
    lines: list[Line] = []
    for name, words in entries:
        lines += hanging(line("  ", part(f"{name:<12}", Tone.QUIET)), words, width)
    return lines


def _stop(story: Story, zone: tzinfo | None, width: int) -> list[Line]:
    stop = story.stop
    if stop is None:
        rests = story.seen is not None and story.seen.node.status in ENDS
        never = "it was never stopped, as far as is remembered"
        return [part("how it was stopped is not remembered" if rests else never, Tone.STRONG)]
    who = "wnm" if stop.rule is None else f"wnm, by its rule {stop.rule}"
    if stop.action is None or stop.rule == BY_HAND:
        who = "nobody: wnm found it so" if stop.action is None else "somebody, by hand"
    entries = [
        ("when", at_and_ago(stop.at, story.material.generated_at, zone)),
        ("what", stop.words),
        ("because", stop.because or NOTHING),
        ("wanted by", f"{who}, in cycle {stop.cycle}"),
    ]
    if stop.action == "StopNode" and stop.rule == "pressure":
        entries.append(("why it", "of the running nodes the youngest is stopped first"))
    entries.append(("until", _until(story, stop, zone)))
    head = part("why it was last stopped", Tone.STRONG)
    return [head, *_entries(entries, width), *_readings(story, width)]


def _until(story: Story, stop: Event, zone: tzinfo | None) -> str:
    later = [each for each in story.happened if (each.cycle, each.at) > (stop.cycle, stop.at)]
    begun = next((each for each in later if each.is_begin), None)
    if begun is not None:
        because = f", because: {begun.because}" if begun.because else ""
        return f"{at(begun.at, zone)}, after {span(begun.at - stop.at)}: {begun.words}{because}"
    if story.seen is None:
        return "it is gone"
    return "now" if story.seen.node.status is not Status.RUNNING else "it was found running"


def _readings(story: Story, width: int) -> list[Line]:
    """The machine when it was stopped: from the recorded cycle, else from the sample that was kept of it."""
    then, sample = _gauges_then(story), story.stop_sample
    if then is not None:
        head = line("  ", part("the machine in that cycle, against the limits of that time", Tone.QUIET))
        rows = [[part(each, Tone.QUIET) for each in ("reading", "then", "grows below", "sheds above", "")]]
        for gauge in then:
            value = "not seen" if isinstance(gauge.value, Unseen) else gauge.shown(gauge.value)
            cells = (printable(gauge.name)[:24], value, *limits(gauge), "too high" if gauge.too_high else "")
            rows.append([part(each, Tone.BAD if gauge.too_high else Tone.PLAIN) for each in cells])
        return [head, *columns(rows, right=(1, 2, 3), indent=4)]
    if sample is None:
        return [line(part("  the readings of that cycle are no longer kept", Tone.QUIET))]
    return _entries([("machine", _sample_words(sample))], width)


def _gauges_then(story: Story) -> list[Gauge] | None:
    """Every reading that had a limit in the cycle in which it was stopped; None if that is not recorded."""
    cycle = story.stop_cycle
    if cycle is None or cycle.seen is None:
        return None
    machine, wished = cycle.seen.machine, limits_then(cycle, story.material.settings)
    every = (*gauges(machine, wished), *(gauge for _, gauge in disks_of(machine, wished)))
    return [gauge for gauge in every if gauge.is_on]


def _sample_words(sample: SampleRecord) -> str:
    shares = {
        "cpu": sample.cpu_percent,
        "memory": sample.memory_percent,
        "fullest disk": sample.disk_used_percent,
    }
    words = [f"{name} {'not seen' if each is None else f'{each:.1f} %'}" for name, each in shares.items()]
    loads = [sample.load1, sample.load5, sample.load15]
    words.insert(2, f"load {'not seen' if None in loads else ' '.join(f'{each:.2f}' for each in loads)}")
    for each in READINGS:
        rate = getattr(sample, each.sample or "") if each.unit == BYTES_PER_SECOND else None
        if rate is not None:
            words.append(f"{each.name} {size(round(rate))}/s")
    return f"{', '.join(words)}; {sample.nodes_running} of {sample.nodes_total} nodes ran after it"


def _stop_payload(story: Story) -> Payload | None:
    if story.stop is None:
        return None
    then, sample = _gauges_then(story), story.stop_sample
    readings = {
        gauge.name: {"unit": gauge.unit, **limits_payload(gauge), "too_high": gauge.too_high}
        for gauge in then or ()
    }
    return {
        **event_payload(story.stop),
        "readings": None if then is None else readings,
        "sample": sample and picked(sample, SampleRecord.__struct_fields__[1:]),
    }
