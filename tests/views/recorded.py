"""Machines whose texts for other programs are kept as recorded examples; run as a program it records them anew.

python -m tests.views.recorded
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace
from tests.builders import NOW, VERSION, available, disk, hung, knowing, node, release, row, seen, settings
from tests.views.builders import (
    ATTOS,
    adding,
    blind,
    cycle,
    failing,
    healthy,
    held,
    material,
    outcome,
    stopped,
    unread,
)

from wnm.core.action import Result
from wnm.core.decide.ladder import decide
from wnm.core.node import NodeId, Status
from wnm.core.observation import Bound, NodePage, Stall
from wnm.formats.antnode_metrics import FIGURES
from wnm.views import influx, prometheus
from wnm.views.material import Material

CASES = Path(__file__).parent / "cases"
ASKED = {1: {name: 10 + number for number, name in enumerate(FIGURES)}}
"""What the first node said to the dashboards' questions; the others did not answer."""
TEXTS: Mapping[str, Callable[[Material], str]] = {
    "prom": prometheus.text,
    "influx": lambda of: influx.text(of, ASKED),
    "json": prometheus.targets,
}
"""The texts by the ending of their files."""

_VERSION = re.compile(r'^(wnm_info\{version=)"[^"]*"', re.MULTILINE)


def busy() -> Material:
    """Every metric is there: two disks, all limits, a failure, a halted upgrade, something for the operator."""
    wished = settings(
        node_cap=6,
        node_version="0.5.0",
        **{f"{kind}_{way}_less_than": 10**6 for kind in ("netio", "hdio") for way in ("read", "write")},
        **{f"{kind}_{way}_remove": 2 * 10**6 for kind in ("netio", "hdio") for way in ("read", "write")},
    )
    rich = healthy(2)
    assert isinstance(rich.reading.page, NodePage)
    page = replace(rich.reading.page, rewards_attos=2 * ATTOS, shunned=7, records=16384)
    nodes = (
        healthy(1),
        replace(rich, reading=replace(rich.reading, page=page)),
        stopped(3, disk_bytes=10**9),
        failing(4),
        hung(5),
        node(6, Status.DISABLED),
        unread(7),
    )
    view = seen(
        nodes,
        disks=(disk(used=40.0), disk("/mnt/second disk", used=91.25)),
        cpu=83.125,
        memory=40.0,
        memory_total_bytes=2 * 10**9,
        load=(5.0, 3.25, 1.5),
        available=available("0.4.8"),
        remembered=knowing(release("0.4.8", failed=(3,))),
    )
    box = Bound(where="/system.slice", total=2 * 10**9, used=8 * 10**8)
    limits = replace(
        view.machine,
        memory=(Bound(where="", total=16 * 10**9, used=3 * 10**9), box),
        pids=(Bound(where="", total=32768, used=812), Bound(where="/system.slice", total=900, used=120)),
        stalls=(
            Stall(resource="io", some_percent=12.5, full_percent=4.25),
            Stall(resource="cpu", some_percent=0.5),
        ),
    )
    view = replace(view, machine=limits)
    needs = held(
        "upgrade antnode0001",
        waiting_for="a version that works",
        remedy="put a newer version at /opt/antnode",
    )
    needs = replace(needs, action=replace(needs.action, nodes=(NodeId(1),)), waits_on=(NodeId(3),))
    decision = replace(decide(view, wished), held=(held(), needs))
    outcomes = (outcome(adding(8)), outcome(adding(9), Result.FAILED, error="no room"))
    return material(nodes, wished=wished, of_cycle=cycle(view, decision, wished, outcomes, exit_code=3))


def blind_machine() -> Material:
    """A cycle that could see nothing."""
    wished = settings()
    view = seen((unread(1),), machine=blind())
    return material((unread(1),), wished=wished, of_cycle=cycle(view, decide(view, wished), wished))


MACHINES: Mapping[str, Material] = {
    "no_cycle_yet": material(of_cycle=None),
    "three_nodes": material((healthy(1), healthy(2), stopped(3))),
    "busy": busy(),
    "nothing_seen": blind_machine(),
    "just_added": material(
        (replace(healthy(1), node=row(1, version=VERSION, status_since=NOW + timedelta(seconds=5))),)
    ),
}


def written(machine: str, ending: str) -> str:
    """The text as its file has it: the version of wnm is not part of the example."""
    return _VERSION.sub(r'\1"(the version of wnm)"', TEXTS[ending](MACHINES[machine])) + "\n"


def main() -> None:
    """Write every example."""
    CASES.mkdir(exist_ok=True)
    for machine in MACHINES:
        for ending in TEXTS:
            (CASES / f"{machine}.{ending}").write_text(written(machine, ending), encoding="utf-8")


if __name__ == "__main__":
    main()
