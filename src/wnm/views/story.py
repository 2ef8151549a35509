"""The whole story of one node: what it is, why it was last stopped, what it waits for, and all that happened to it."""

from collections.abc import Sequence
from datetime import tzinfo

from msgspec import Struct

from wnm.core.decide.gauges import Gauge, gauges
from wnm.core.node import Status
from wnm.core.observation import MachineReading, NodeSeen, Unseen
from wnm.core.reasons import Blocked
from wnm.core.settings import Settings
from wnm.core.timeline import SampleRecord
from wnm.views.decisions import held_payload
from wnm.views.deeds import names_in
from wnm.views.explain import held_words, limits_then
from wnm.views.facts import facts_of
from wnm.views.facts import payload_of as facts_payload
from wnm.views.happenings import ENDS, Happening, payload_of, told, who
from wnm.views.machine_metrics import disks_of, limit
from wnm.views.material import CycleView, Material
from wnm.views.node_status import known, reachability
from wnm.views.node_table import STATUS_TONES
from wnm.views.payload import Payload, report_of
from wnm.views.text import Line, Tone, columns, hanging, line, part
from wnm.views.times import at, at_and_ago, zone_name
from wnm.views.words import NOTHING, printable, size, span


class Story(Struct, frozen=True, kw_only=True):
    """What a story is told from. `seen` is None when the node is gone, `happened` is oldest first.

    `stop` is the last time that it came to rest, `stop_cycle` and `stop_sample` what was recorded then, None where
    that is not kept. `earlier` happenings are left out. `kept_days` is how far back anything is remembered.
    """

    name: str
    material: Material
    seen: NodeSeen | None
    happened: tuple[Happening, ...]
    stop: Happening | None
    stop_cycle: CycleView | None
    stop_sample: SampleRecord | None
    earlier: int


def last_stop(happened: Sequence[Happening]) -> Happening | None:
    """The last time that the node came to rest."""
    return next((each for each in reversed(happened) if each.is_end), None)


def payload(story: Story) -> Payload:
    """The story for programs; `node` is null when it is gone, `last_stop` when it never came to rest."""
    material = story.material
    return report_of(
        material,
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
            "events": [payload_of(each) for each in story.happened],
            "earlier_events": story.earlier,
        },
    )


def text(story: Story, zone: tzinfo | None, width: int) -> list[Line]:
    """What it is now, why it was last stopped with the readings of that time, and its story, newest first."""
    lines = _now(story, zone, width)
    lines += [line(), *_stop(story, zone, width)]
    first = story.happened[0].at if story.happened else None
    zone_words = f", times in {zone_name(story.material.generated_at, zone, first)}"
    head = line(part("its story, the newest first", Tone.STRONG), part(zone_words, Tone.QUIET))
    lines += [line(), head]
    if not story.happened:
        return [*lines, line("  nothing is recorded of it")]
    lines += told(reversed(story.happened), zone, width, with_names=False)
    if story.earlier:
        lines.append(line(part(f"  and {story.earlier:,} earlier: give a larger --limit", Tone.QUIET)))
    return lines


def waits_of(story: Story) -> tuple[Blocked, ...]:
    """What the latest cycle held back about this very node."""
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


def _until(story: Story, stop: Happening, zone: tzinfo | None) -> str:
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
    cycle, sample = story.stop_cycle, story.stop_sample
    if cycle is not None and cycle.seen is not None:
        rows = _gauge_rows(cycle.seen.machine, limits_then(cycle, story.material.settings))
        head = line("  ", part("the machine in that cycle, against the limits of that time", Tone.QUIET))
        return [head, *columns(rows, right=(1, 2, 3), indent=4)]
    if sample is None:
        return [line(part("  the readings of that cycle are no longer kept", Tone.QUIET))]
    return hanging(line("  ", part(f"{'machine':<12}", Tone.QUIET)), _sample_words(sample), width)


def gauges_then(cycle: CycleView, settings: Settings) -> tuple[Gauge, ...]:
    """Every reading that had a limit in that cycle; none if the cycle is not recorded."""
    if cycle.seen is None:
        return ()
    wished = limits_then(cycle, settings)
    return _gauges(cycle.seen.machine, wished)


def _gauges(machine: MachineReading, wished: Settings) -> tuple[Gauge, ...]:
    every = (*gauges(machine, wished), *(gauge for _, gauge in disks_of(machine, wished)))
    return tuple(gauge for gauge in every if gauge.is_on)


def _gauge_rows(machine: MachineReading, wished: Settings) -> list[tuple[Line, ...]]:
    head = ("reading", "then", "grows below", "sheds above", "")
    rows = [tuple(part(each, Tone.QUIET) for each in head)]
    for gauge in _gauges(machine, wished):
        tone = Tone.BAD if gauge.too_high else Tone.PLAIN
        value = "not seen" if isinstance(gauge.value, Unseen) else gauge.shown(gauge.value)
        mark = "too high" if gauge.too_high else ""
        cells = (
            printable(gauge.name)[:24],
            value,
            limit(gauge, gauge.allow),
            limit(gauge, gauge.remove),
            mark,
        )
        rows.append(tuple(part(each, tone) for each in cells))
    return rows


def _sample_words(sample: SampleRecord) -> str:
    def percent(value: float | None) -> str:
        return "not seen" if value is None else f"{value:.1f} %"

    loads = [sample.load1, sample.load5, sample.load15]
    load = "not seen" if None in loads else " ".join(f"{each:.2f}" for each in loads)
    rates = {
        "network read": sample.netio_read_bytes_per_second,
        "network write": sample.netio_write_bytes_per_second,
        "disk read": sample.hdio_read_bytes_per_second,
        "disk write": sample.hdio_write_bytes_per_second,
    }
    words = [
        f"cpu {percent(sample.cpu_percent)}",
        f"memory {percent(sample.memory_percent)}",
        f"load {load}",
        f"fullest disk {percent(sample.disk_used_percent)}",
        *(f"{name} {size(round(value))}/s" for name, value in rates.items() if value is not None),
    ]
    return f"{', '.join(words)}; {sample.nodes_running} of {sample.nodes_total} nodes ran after it"


def _stop_payload(story: Story) -> Payload | None:
    if story.stop is None:
        return None
    readings: Payload | None = None
    if story.stop_cycle is not None and story.stop_cycle.seen is not None:
        readings = {
            gauge.name: {
                "unit": gauge.unit,
                "value": None if isinstance(gauge.value, Unseen) else round(gauge.value, 3),
                "less_than": gauge.allow,
                "remove": gauge.remove,
                "too_high": gauge.too_high,
            }
            for gauge in gauges_then(story.stop_cycle, story.material.settings)
        }
    sample = story.stop_sample
    return {
        **payload_of(story.stop),
        "readings": readings,
        "sample": None
        if sample is None
        else {name: getattr(sample, name) for name in SampleRecord.__struct_fields__ if name != "at"},
    }
