"""Tells what happened, in the order of time: to a machine (history) or to one node (story), with its reasons."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

from wnm.core.action import Result
from wnm.core.decision import BY_HAND
from wnm.core.earnings import ant_text
from wnm.core.node import Status, node_name
from wnm.core.observation import NodeSeen, Unseen
from wnm.core.readings import READINGS, Gauge, gauges
from wnm.core.reasons import Blocked
from wnm.core.sentences import sentence
from wnm.core.settings import Settings
from wnm.core.timeline import MEASURES, NO_EVENTS, Bucket, ChangeRecord, Events, OperationRecord, SampleRecord
from wnm.views import charts
from wnm.views.actions import Names, names_in, node_name_of, particulars, past, recorded_outcome, verb
from wnm.views.charts import Trends
from wnm.views.explain import end_details, ended_words, held_payload, held_words, limits_then
from wnm.views.material import CycleView, Material, facts_of
from wnm.views.payload import Payload, envelope, moment
from wnm.views.reports import disks_of, facts_payload, known, limit, reachability
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
    found = [((each.cycle, 0, each.id), _of_change(each, events)) for each in events.changes]
    found += [((each.cycle, 1, each.id), _of_operation(each, events, names)) for each in events.operations]
    return tuple(event for _, event in sorted(found, key=lambda pair: pair[0]))


def latest_events(operations: Mapping[int, OperationRecord], names: Names) -> Mapping[int, Event]:
    """The same of single operations, by the id of their node."""
    return {number: _of_operation(each, NO_EVENTS, names) for number, each in operations.items()}


def _of_change(each: ChangeRecord, events: Events) -> Event:
    return Event(
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


def _of_operation(each: OperationRecord, events: Events, names: Names) -> Event:
    kind = type(each.action).__name__
    view = recorded_outcome(each, names)
    name = node_name_of(each.action, names) or node_name(each.node_id)
    if each.result == Result.DONE:
        words = f"{past(kind)}{particulars(each.action)}{end_details(view)}"
    else:
        words = f"{verb(kind)}: {ended_words(view)}"
    return Event(
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


def who(each: Event) -> str:
    """The one that wanted it, for people: `by hand`, `wnm, by its rule pressure`, `nobody: it came by itself`."""
    if each.action is None:
        return "nobody: wnm found it so"
    if each.rule == BY_HAND:
        return "somebody, by hand"
    return "wnm" if each.rule is None else f"wnm, by its rule {each.rule}"


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


def event_lines(every: Iterable[Event], zone: tzinfo | None, width: int, *, with_names: bool) -> list[Line]:
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


def _told(each: Event, zone: tzinfo | None, width: int, *, with_names: bool) -> list[Line]:
    lead = line(
        part(f"  {local(each.at, zone):%H:%M:%S}  ", Tone.QUIET), part(f"#{each.cycle:<6} ", Tone.QUIET)
    )
    if with_names:
        lead = line(lead, f"{short_name(each.node):<11} ")
    because = f", because: {each.because}" if each.because else ""
    return hanging(lead, f"{each.words}{because}", width, tone_of(each))


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
    return envelope(
        chronicle.generated_at,
        {
            "since": moment(chronicle.since),
            "node": chronicle.node,
            "events": [event_payload(each) for each in chronicle.happened],
            "earlier_events": chronicle.earlier,
            "trends": None if chronicle.trends is None else _trends_payload(chronicle.trends),
        },
    )


def history_lines(chronicle: Chronicle, zone: tzinfo | None, width: int, *, dots: bool) -> list[Line]:
    """The events by day, then the charts."""
    about = "" if chronicle.node is None else f" to {chronicle.node}"
    span = "day" if chronicle.days == 1 else f"{chronicle.days} days"
    first = chronicle.happened[0].at if chronicle.happened else None
    zone_words = f", times in {zone_name(chronicle.generated_at, zone, first)}"
    lines = [
        line(part(f"what happened{about} over the last {span}", Tone.STRONG), part(zone_words, Tone.QUIET)),
        line(),
    ]
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


def _trends_payload(trends: Trends) -> Payload:
    by_index = {bucket.index: bucket for bucket in trends.buckets}
    return {
        "range": trends.range.name,
        "since": moment(trends.since),
        "until": moment(trends.until),
        "bucket_seconds": trends.range.bucket_seconds,
        "measures": {
            measure: [_spread(by_index, index, measure) for index in range(trends.range.buckets)]
            for measure in MEASURES
        },
        "earned": [
            {"day": day.isoformat(), "attos": str(attos), "ant": ant_text(attos)}
            for day, attos in sorted(trends.earned.items())
        ],
    }


def _spread(buckets: Mapping[int, Bucket], index: int, measure: str) -> Payload | None:
    spread = buckets[index].spreads.get(measure) if index in buckets else None
    if spread is None:
        return None
    return {"low": round(spread.low, 3), "mean": round(spread.mean, 3), "high": round(spread.high, 3)}


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
    material = story.material
    return envelope(
        material.generated_at,
        {
            "name": story.name,
            "node": None if story.seen is None else facts_payload(facts_of(story.seen, material.observed_at)),
            "because": None if story.seen is None else story.seen.node.because,
            "waits_for": [
                held_payload(held, names_in(material.cycle))
                for held in waits_of(story)
                if material.cycle is not None
            ],
            "last_stop": _stop_payload(story),
            "events": [event_payload(each) for each in story.happened],
            "earlier_events": story.earlier,
        },
    )


def story_lines(story: Story, zone: tzinfo | None, width: int) -> list[Line]:
    """Return its present state, its last stop with the readings of that time, and its story, newest first."""
    lines = _now(story, zone, width)
    lines += [line(), *_stop(story, zone, width)]
    first = story.happened[0].at if story.happened else None
    zone_words = f", times in {zone_name(story.material.generated_at, zone, first)}"
    head = line(part("its story, the newest first", Tone.STRONG), part(zone_words, Tone.QUIET))
    lines += [line(), head]
    if not story.happened:
        return [*lines, line("  nothing is recorded of it")]
    lines += event_lines(reversed(story.happened), zone, width, with_names=False)
    if story.earlier:
        lines.append(line(part(f"  and {story.earlier:,} earlier: give a larger --limit", Tone.QUIET)))
    return lines


def waits_of(story: Story) -> tuple[Blocked, ...]:
    """Return the tasks on this very node that the latest cycle held back."""
    cycle = story.material.cycle
    if cycle is None or story.seen is None:
        return ()
    own = story.seen.node.id
    return tuple(held for held in cycle.held if own in held.nodes)


def _now(story: Story, zone: tzinfo | None, width: int) -> list[Line]:
    now = story.material.generated_at
    if story.seen is None:
        gone = "is no node any more" if story.happened else "is not known"
        return [line(part(f"{story.name} {gone}", Tone.STRONG))]
    node, facts = story.seen.node, facts_of(story.seen, story.material.observed_at)
    status = part(node.status, STATUS_TONES.get(node.status, Tone.BUSY))
    lines = [line(part(f"{node.name} is ", Tone.STRONG), status)]
    entries = [
        ("since", at_and_ago(node.status_since, now, zone)),
        ("because", node.because or NOTHING),
        ("process", f"{facts.process}, {_answers(reachability(facts))}"),
        ("version", _versions(facts.version, facts.binary_version)),
        ("born", f"{at_and_ago(node.born, now, zone)}, port {node.port}, in {node.root_dir}"),
    ]
    if node.last_error and node.last_error != node.because:
        entries.insert(2, ("last error", node.last_error))
    lines += _entries(entries, width)
    waits = waits_of(story)
    names = {} if story.material.cycle is None else names_in(story.material.cycle)
    for held in waits:
        for words in held_words(held, now, names):
            lines += hanging(line("  ", part(f"{'held back':<12}", Tone.QUIET)), words, width, Tone.WARN)
    return lines if waits else [*lines, *_entries([("waits", "for nothing")], width)]


def _answers(reachable: str) -> str:
    return "its metrics were not asked" if reachable == NOTHING else f"its metrics port {reachable}"


def _versions(running: str | None, own: str | None) -> str:
    if running and own and running != own:
        return f"{running} runs, {own} is on disk"
    return known(running or own)


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
        return [line(part("how it was stopped is not remembered" if rests else never, Tone.STRONG))]
    now = story.material.generated_at
    lines = [line(part("why it was last stopped", Tone.STRONG))]
    entries = [
        ("when", at_and_ago(stop.at, now, zone)),
        ("what", stop.words),
        ("because", stop.because or NOTHING),
        ("wanted by", f"{who(stop)}, in cycle {stop.cycle}"),
    ]
    if _was_shed(story):
        entries.append(("why it", "of the running nodes the youngest is stopped first"))
    entries.append(("until", _until(story, stop, zone)))
    lines += _entries(entries, width)
    return [*lines, *_readings(story, width)]


def _was_shed(story: Story) -> bool:
    return story.stop is not None and story.stop.action == "StopNode" and story.stop.rule == "pressure"


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
        return [head, *columns(_gauge_rows(then), right=(1, 2, 3), indent=4)]
    if sample is None:
        return [line(part("  the readings of that cycle are no longer kept", Tone.QUIET))]
    return hanging(line("  ", part(f"{'machine':<12}", Tone.QUIET)), _sample_words(sample), width)


def _gauges_then(story: Story) -> list[Gauge] | None:
    """Every reading that had a limit in the cycle in which it was stopped; None if that is not recorded."""
    cycle = story.stop_cycle
    if cycle is None or cycle.seen is None:
        return None
    machine, wished = cycle.seen.machine, limits_then(cycle, story.material.settings)
    every = (*gauges(machine, wished), *(gauge for _, gauge in disks_of(machine, wished)))
    return [gauge for gauge in every if gauge.is_on]


def _gauge_rows(then: Iterable[Gauge]) -> list[list[Line]]:
    head = ("reading", "then", "grows below", "sheds above", "")
    rows = [[part(each, Tone.QUIET) for each in head]]
    for gauge in then:
        tone = Tone.BAD if gauge.too_high else Tone.PLAIN
        value = "not seen" if isinstance(gauge.value, Unseen) else gauge.shown(gauge.value)
        limits = (limit(gauge, gauge.allow), limit(gauge, gauge.remove))
        cells = (printable(gauge.name)[:24], value, *limits, "too high" if gauge.too_high else "")
        rows.append([part(each, tone) for each in cells])
    return rows


def _sample_words(sample: SampleRecord) -> str:
    def percent(value: float | None) -> str:
        return "not seen" if value is None else f"{value:.1f} %"

    loads = [sample.load1, sample.load5, sample.load15]
    load = "not seen" if None in loads else " ".join(f"{each:.2f}" for each in loads)
    rates = [
        (each.name, getattr(sample, each.sample)) for each in READINGS if each.sample and each.unit == "B/s"
    ]
    words = [
        f"cpu {percent(sample.cpu_percent)}",
        f"memory {percent(sample.memory_percent)}",
        f"load {load}",
        f"fullest disk {percent(sample.disk_used_percent)}",
        *(f"{name} {size(round(value))}/s" for name, value in rates if value is not None),
    ]
    return f"{', '.join(words)}; {sample.nodes_running} of {sample.nodes_total} nodes ran after it"


def _stop_payload(story: Story) -> Payload | None:
    if story.stop is None:
        return None
    then = _gauges_then(story)
    readings = (
        None
        if then is None
        else {
            gauge.name: {
                "unit": gauge.unit,
                "value": None if isinstance(gauge.value, Unseen) else round(gauge.value, 3),
                "less_than": gauge.allow,
                "remove": gauge.remove,
                "too_high": gauge.too_high,
            }
            for gauge in then
        }
    )
    sample = story.stop_sample
    return {
        **event_payload(story.stop),
        "readings": readings,
        "sample": None
        if sample is None
        else {name: getattr(sample, name) for name in SampleRecord.__struct_fields__ if name != "at"},
    }
