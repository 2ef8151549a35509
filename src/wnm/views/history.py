"""What happened on a machine or to a node, newest last, and how the machine was meanwhile."""

from collections.abc import Mapping
from datetime import datetime, tzinfo

from msgspec import Struct

from wnm.core.earnings import ant_text
from wnm.core.settings import Settings
from wnm.core.timeline import MEASURES, Bucket
from wnm.views import charts
from wnm.views.charts import Trends
from wnm.views.happenings import Happening, payload_of, told
from wnm.views.payload import Payload, envelope, moment
from wnm.views.text import Line, Tone, line, part
from wnm.views.times import zone_name


class Chronicle(Struct, frozen=True, kw_only=True):
    """Everything since `since`, oldest first; `earlier` happenings are left out.

    `node` is the name of the only node that it is about, and then there are no trends.
    """

    generated_at: datetime
    since: datetime
    days: int
    node: str | None
    happened: tuple[Happening, ...]
    earlier: int
    trends: Trends | None
    settings: Settings


def payload(chronicle: Chronicle) -> Payload:
    """The history for programs: events oldest first, and the buckets of the readings, null where there are none."""
    return envelope(
        chronicle.generated_at,
        {
            "since": moment(chronicle.since),
            "node": chronicle.node,
            "events": [payload_of(each) for each in chronicle.happened],
            "earlier_events": chronicle.earlier,
            "trends": None if chronicle.trends is None else _trends_payload(chronicle.trends),
        },
    )


def text(chronicle: Chronicle, zone: tzinfo | None, width: int, *, dots: bool) -> list[Line]:
    """The happenings by day, then the charts."""
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
        lines += told(chronicle.happened, zone, width, with_names=chronicle.node is None)
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
