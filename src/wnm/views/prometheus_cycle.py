"""The last cycle as metrics: when, how long, what it did, what it holds back, and what is known of upgrades."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import get_args

from wnm.core.action import NodeAction
from wnm.core.observation import Observation, ProgramReading
from wnm.core.outcome import Result
from wnm.core.reasons import Blocked
from wnm.core.release import merged, release_of
from wnm.core.version import is_older
from wnm.formats.exposition_text import COUNTER, GAUGE, Family, Labels
from wnm.views.deeds import verb
from wnm.views.material import CycleView, Material

_KINDS = tuple(each.__name__ for each in get_args(NodeAction.__value__))
_NOT_CONCLUDED = "interrupted"


def cycle_families(material: Material) -> Iterable[Family]:
    """Nothing before the first cycle."""
    cycle = material.cycle
    if material.observed_at is not None:
        at = material.observed_at.timestamp()
        yield _one("wnm_observed_timestamp_seconds", "When the nodes were last looked at.", round(at, 3))
    if cycle is None:
        return
    yield from _course(cycle)
    yield _actions(cycle)
    yield from _held(cycle.held)
    if cycle.seen is not None:
        yield from _upgrades(cycle, cycle.seen, material)


def _course(cycle: CycleView) -> Iterable[Family]:
    yield Family(
        name="wnm_cycles_total",
        type=COUNTER,
        help="Cycles that were written down; starts again with a new database.",
        samples=(((), cycle.number),),
    )
    started = round(cycle.started_at.timestamp(), 3)
    yield _one("wnm_cycle_start_timestamp_seconds", "When the last cycle began.", started)
    rule: Labels = (("rule", cycle.rule),)
    yield _one("wnm_cycle_rule", "The rule that decided the last cycle, with the value 1.", 1, rule)
    if cycle.ended_at is not None:
        seconds = max(0.0, (cycle.ended_at - cycle.started_at).total_seconds())
        yield _one("wnm_cycle_duration_seconds", "How long the last cycle took.", round(seconds, 3))
    if cycle.exit_code is not None:
        yield _one(
            "wnm_cycle_exit_code",
            "How the last cycle ended: 0 fine, 1 an action failed, 3 it needs the operator.",
            cycle.exit_code,
        )


def _actions(cycle: CycleView) -> Family:
    """Every kind with every result, so that a failure is a change of a series that was there before."""
    found = Counter((each.kind, each.result or _NOT_CONCLUDED) for each in cycle.outcomes)
    possible = [(kind, str(result)) for kind in _KINDS for result in (*Result, _NOT_CONCLUDED)]
    every = dict.fromkeys((*possible, *found))
    return Family(
        name="wnm_cycle_actions",
        type=GAUGE,
        help="Actions of the last cycle by kind and result.",
        samples=tuple(
            ((("kind", verb(kind)), ("result", result)), found[kind, result]) for kind, result in every
        ),
    )


def _held(held: Sequence[Blocked]) -> Iterable[Family]:
    needs = [each for each in held if each.remedy is not None]
    yield _one("wnm_held", "What the last cycle held back, for whatever reason.", len(held))
    yield _one("wnm_needs_operator", "What only the operator can make go on.", len(needs))
    yield Family(
        name="wnm_needs_operator_info",
        type=GAUGE,
        help="Kinds of what only the operator can make go on, and how; a series for each, with the value 1.",
        samples=tuple((labels, 1) for labels in dict.fromkeys(map(_kinds, needs))),
    )


def _kinds(blocked: Blocked) -> Labels:
    return ("what", blocked.action.kind.value), (
        "remedy",
        blocked.remedy.kind.value if blocked.remedy else "",
    )


def _upgrades(cycle: CycleView, seen: Observation, material: Material) -> Iterable[Family]:
    if not isinstance(seen.available, ProgramReading) or not isinstance(seen.available.version, str):
        return
    version, pin = seen.available.version, material.settings.node_version
    labels: Labels = (("version", version), ("path", seen.available.path), ("pin", pin or ""))
    yield _one("wnm_available_version_info", "The version that nodes would be given, and the pin.", 1, labels)
    news = () if cycle.decision is None else cycle.decision.releases
    known = release_of(merged(seen.remembered.releases, news), version, seen.now)
    of: Labels = (("version", version),)
    halted = known.is_halted(material.settings.upgrade_failures_allowed)
    yield _one(
        "wnm_upgrade_halted", "Whether nothing more is brought to this version (1) or not (0).", halted, of
    )
    yield _one("wnm_upgrade_failures", "Nodes that failed the gate of this version.", len(known.failures), of)
    behind = sum(is_older(each.node.binary_version or each.node.version, version) for each in material.nodes)
    yield _one("wnm_nodes_outdated", "Nodes whose program is older than the available version.", behind)


def _one(name: str, about: str, value: float, labels: Labels = ()) -> Family:
    return Family(name=name, type=GAUGE, help=about, samples=((labels, value),))
