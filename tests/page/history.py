"""A machine with a past, for looking at: days of samples and cycles, good and bad nodes, hostile texts."""

import math
import random
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from tests.builders import GB, NEWER, NOW, VERSION, ago, choice, disk, hung, row
from tests.views.builders import failing, healthy, held, material, stopped

from wnm.core.action import AddNode, NodeAction, StopNode, UpgradeNode
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodePage, NodeSeen, ProcessReading
from wnm.core.reasons import legacy
from wnm.core.timeline import MEASURES, RANGES, Bucket, OperationRecord, Past, PastCycle, Spread
from wnm.views.html.verdict import Subject
from wnm.views.material import Material

HOSTILE = (
    "</script><script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 2'>",
    '" onmouseover="window.owned = 3" x=\'',
    "]]>--><!--<script>window.owned = 4",
    "line\nbreak\ttab\x00nul\x1b[31mred\u202eesrever\u2028sep",
    "&lt;b&gt; &amp; \\u003c ${window.owned = 5}",
)
"""Texts as a node, or whoever names a file, could choose them."""
ORDINARY = ("its process ended unexpectedly", "its port is in use")
"""Texts for pictures."""


def varied(number: int, chance: random.Random) -> NodeSeen:
    """A running node with figures of its own."""
    seen = healthy(number, disk_bytes=chance.randrange(GB, 40 * GB))
    page = NodePage(
        version=VERSION,
        peer_id=f"12D3KooW{number}",
        uptime_seconds=chance.randrange(60, 40 * 86400),
        records=chance.randrange(20_000),
        connected_peers=chance.randrange(20, 400),
        shunned=chance.randrange(4),
        rewards_attos=chance.randrange(9 * 10**18),
    )
    assert isinstance(seen.reading.process, ProcessReading)
    process = replace(
        seen.reading.process,
        memory_bytes=chance.randrange(80_000_000, 400_000_000),
        cpu_percent=chance.random() * 3,
    )
    return replace(seen, reading=replace(seen.reading, page=page, process=process))


def colony(
    count: int, *, seed: int = 1, trouble: bool = True, texts: tuple[str, ...] = HOSTILE
) -> tuple[NodeSeen, ...]:
    """So many nodes; with trouble, one in ten of them is unwell, and says one of the texts."""
    chance = random.Random(seed)
    nodes = [varied(number, chance) for number in range(1, count + 1)]
    if trouble:
        for at in range(3, count, 10):
            nodes[at] = _unwell(at + 1, at // 10, texts)
    return tuple(nodes)


def _unwell(number: int, turn: int, texts: tuple[str, ...]) -> NodeSeen:
    text = texts[turn // 4 % len(texts)]
    match turn % 4:
        case 0:
            return failing(
                number, error=f"it wrote: {text}", version=text[:40] if texts is HOSTILE else VERSION
            )
        case 1:
            return hung(number)
        case 2:
            return stopped(number, last_error=None)
        case _:
            upgrading = healthy(number, peer_id=text)
            node = replace(upgrading.node, status=Status.UPGRADING, status_since=ago(3), binary_version=NEWER)
            return replace(upgrading, node=node)


def past(nodes: int, *, texts: tuple[str, ...] = HOSTILE, seed: int = 2) -> Past:
    """A month that looks like one: days and nights, a slow growth, an hour without cycles."""
    chance, until = random.Random(seed), NOW + timedelta(seconds=40)
    trends = {}
    for each in RANGES:
        buckets = []
        for index in range(each.buckets):
            back = timedelta(seconds=each.bucket_seconds) * (each.buckets - index)
            if each.name == "day" and 40 <= index < 44:
                continue
            buckets.append(Bucket(index=index, spreads=_spreads(until - back, back, nodes, chance)))
        trends[each.name] = tuple(buckets)
    return Past(
        until=until, cycles=_cycles(until, texts), operations=_operations(until, texts), trends=trends
    )


def _spreads(at: datetime, back: timedelta, nodes: int, chance: random.Random) -> dict[str, Spread]:
    day = math.sin((at.hour + at.minute / 60) / 24 * 2 * math.pi)
    grown = max(0.3, 1 - back / timedelta(days=40))
    means = {
        "nodes_running": round(nodes * grown),
        "nodes_total": round(nodes * grown) + 1,
        "cpu_percent": 45 + 18 * day + chance.uniform(-4, 4),
        "memory_percent": 30 + 35 * grown + chance.uniform(-1, 1),
        "load1": 1.8 + day + chance.uniform(-0.3, 0.3),
        "disk_used_percent": 60 * grown + chance.uniform(-0.2, 0.2),
        **{name: 4e6 * (1.4 + day) * chance.uniform(0.7, 1.3) for name in MEASURES if "io_" in name},
    }
    # Nodes come and go one by one, memory and disks fill slowly, all else is lively.
    liveliness = {"nodes_running": 0.0, "nodes_total": 0.0, "memory_percent": 0.03, "disk_used_percent": 0.01}
    spreads = {}
    for name, mean in means.items():
        most = liveliness.get(name, 0.35)
        low, high = mean * (1 - most * chance.random()), mean * (1 + most * chance.random())
        spreads[name] = Spread(low=low, mean=mean, high=high)
    return spreads


def _cycles(until: datetime, texts: tuple[str, ...]) -> tuple[PastCycle, ...]:
    told = {
        0: ("idle", "all that could be done waits for something", 3),
        4: ("upgrades", f"antnode0003 is {VERSION}, {NEWER} is there", 0),
        5: ("idle", "all that could be done waits for something", 0),
        19: ("pressure", "cpu is 83.1 % (limit 80.0 %)", 1),
        20: ("pressure", f"cpu is 81.2 % (limit 80.0 %), {texts[0]}", 0),
        21: ("growth", "the machine has room", 0),
        22: ("idle", "nothing to do", None),
        23: ("idle", "nothing to do", 0),
    }
    cycles, current = [], told[0]
    for back in range(180):
        current = told.get(back, current)
        rule, because, code = current
        begun = until - timedelta(seconds=40, minutes=back)
        cycles.append(
            PastCycle(number=4321 - back, started_at=begun, rule=rule, because=because, exit_code=code)
        )
    return tuple(cycles)


def _operations(until: datetime, texts: tuple[str, ...]) -> tuple[OperationRecord, ...]:
    def done(back: int, action: NodeAction, **changes: Any) -> OperationRecord:
        at = until - timedelta(minutes=back)
        record = OperationRecord(
            id=1000 - back,
            cycle=4321 - back,
            node_id=NodeId(3),
            action=action,
            intended_at=at,
            ended_at=at,
            result="done",
            error=None,
            note=None,
            freed_bytes=None,
        )
        return replace(record, **changes)

    upgrade = UpgradeNode(
        node=NodeId(3), program=choice(NEWER), because=legacy(f"it is {VERSION}, {NEWER} is there")
    )
    shed = StopNode(node=NodeId(9), shed=True, because=legacy("cpu is 83.1 % (limit 80.0 %)"))
    add = AddNode(node=row(12), program=choice(), because=legacy("the machine has room"))
    return (
        done(4, upgrade),
        done(19, shed, result="failed", error=f"it did not end: {texts[1]}"),
        done(20, shed),
        done(21, add, note="its port was open already"),
    )


def subject(
    count: int,
    *,
    trouble: bool = True,
    halted: bool = False,
    texts: tuple[str, ...] = HOSTILE,
    **changes: Any,
) -> Subject:
    """The page's subject for so many nodes; `halted` is an upgrade that waits for somebody."""
    made = material(colony(count, trouble=trouble, texts=texts), **{"disks": DISKS, **WEATHER, **changes})
    return Subject(
        machine_name="homestead",
        version="0.0.test",
        material=_deciding(made, texts, halted=halted) if trouble else made,
        past=past(count, texts=texts),
        earned_today={f"antnode{number:04d}": number * 10**15 for number in range(1, count + 1, 2)},
        earned_by_day={NOW.date() - timedelta(days=back): count * (40 - back) * 10**15 for back in range(20)},
    )


DISKS = (disk("/", 43.0), disk("/mnt/ssd-2", 74.0, 4000 * GB))
WEATHER: dict[str, Any] = {"cpu": 64.2, "memory": 71.5, "load": (1.42, 1.8, 2.6)}


def _deciding(made: Material, texts: tuple[str, ...], *, halted: bool) -> Material:
    """The same with a cycle that held things back."""
    cycle = made.cycle
    assert cycle is not None
    waiting = [
        held("add a node", waiting_for="memory to fall: it is 71.5 % (limit 70.0 %)"),
        held(
            f"start antnode0004, after: {texts[-1]}",
            waiting_for="its delay to run out",
            until=NOW + timedelta(minutes=4),
        ),
    ]
    if halted:
        waiting.append(
            held(
                f"upgrade antnode0001 and 3 more to {NEWER}",
                waiting_for=f"a version that works: {NEWER} is halted, antnode0003 failed its gate: it has no peers",
                remedy="put a newer version at /opt/antnode, or try it again with wnm --force_action upgrade",
            )
        )
    return replace(made, cycle=replace(cycle, number=4321, held=tuple(waiting)))
