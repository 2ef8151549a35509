"""The report decisions: one cycle as it was recorded; its JSON is what `wnm replay` plans again from."""

from typing import Any

from wnm.core.action import Resurvey
from wnm.core.codec import encode
from wnm.core.decision import Decision
from wnm.core.observation import Observation
from wnm.core.reasons import Blocked
from wnm.core.sentences import called, remedy, sentence, waiting_for, what
from wnm.views.deeds import Names, names_in, node_name_of, words_of
from wnm.views.explain import NO_CYCLE, held_words, outcome_words
from wnm.views.facts import counts_of
from wnm.views.material import CycleView, Material, OutcomeView
from wnm.views.payload import Payload, moment, report_of, write_env
from wnm.views.text import indented
from wnm.views.words import absolute, printable

_LISTS = ("actions", "held", "outcomes")
_FACTS = ("cycle", "started_at", "ended_at", "exit_code", "rule", "because", "observation", "decision")
_NO_CYCLE: Payload = {**dict.fromkeys(_FACTS), "settings": {}, **{name: [] for name in _LISTS}}


def payload(material: Material) -> Payload:
    """The exported cycle: what it saw, under which settings, what it decided, and what became of it.

    `observation` and `decision` are null when they are no longer kept; everything is when there was no cycle.
    """
    return report_of(material, _NO_CYCLE if material.cycle is None else _content(material.cycle))


def _content(cycle: CycleView) -> Payload:
    decision = cycle.decision
    return {
        "cycle": cycle.number,
        "started_at": moment(cycle.started_at),
        "ended_at": moment(cycle.ended_at),
        "exit_code": cycle.exit_code,
        "rule": cycle.rule,
        "because": cycle.because,
        "settings": dict(cycle.settings_texts),
        "observation": None if cycle.seen is None else encode(cycle.seen),
        "decision": None if decision is None else encode(decision),
        "actions": [] if decision is None else _actions(decision, names_in(cycle)),
        "held": [held_payload(each, names_in(cycle)) for each in cycle.held],
        "outcomes": [_outcome(each) for each in cycle.outcomes],
    }


def _actions(decision: Decision, names: Names) -> list[Payload]:
    return [
        {
            "kind": type(action).__name__,
            "node": None if isinstance(action, Resurvey) else node_name_of(action, names),
            "action": words_of(action, names),
            "because": sentence(action.because, names),
        }
        for action in decision.actions
    ]


def held_payload(held: Blocked, names: Names) -> Payload:
    """What is not done, for people and for programs: sentences, kinds and the names of nodes."""
    return {
        "what": what(held, names),
        "waiting_for": waiting_for(held, names),
        "until": moment(held.until),
        "remedy": remedy(held, names),
        "kind": held.kind.value,
        "nodes": [called(each, names) for each in held.nodes],
        "waits_on": [called(each, names) for each in held.waits_on],
    }


def _outcome(outcome: OutcomeView) -> Payload:
    return {
        "node": outcome.node,
        "kind": outcome.kind,
        "action": outcome.action,
        "result": outcome.result,
        "error": outcome.error,
        "note": outcome.note,
        "freed_bytes": outcome.freed_bytes,
    }


def env(material: Material) -> str:
    """CYCLE_NUMBER, CYCLE_RULE, CYCLE_BECAUSE, …, and how many actions, things held and failures there were."""
    content = payload(material)
    values: dict[str, Any] = {
        "CYCLE_NUMBER": content["cycle"],
        **{
            f"CYCLE_{key.upper()}": content[key]
            for key in ("started_at", "ended_at", "exit_code", "rule", "because")
        },
        **{f"CYCLE_{key.upper()}": len(content[key]) for key in _LISTS},
        "CYCLE_FAILED": sum(outcome["result"] == "failed" for outcome in content["outcomes"]),
    }
    return write_env(values)


def text(material: Material) -> str:
    """The same in short, for people; `wnm explain` says more."""
    cycle = material.cycle
    if cycle is None:
        return NO_CYCLE
    exit_code = "unknown: it was killed or still runs" if cycle.exit_code is None else cycle.exit_code
    lines = [
        f"cycle {cycle.number}, {absolute(cycle.started_at)}, exit code {exit_code}",
        f"rule: {printable(cycle.rule)}: {printable(cycle.because)}",
        f"seen: {_seen(cycle.seen)}",
    ]
    actions = () if cycle.decision is None else cycle.decision.actions
    names = names_in(cycle)
    planned = [
        f"{printable(words_of(action, names))}: {printable(sentence(action.because, names))}"
        for action in actions
    ]
    sections = {
        "actions": planned,
        "outcomes": [outcome_words(each) for each in cycle.outcomes],
        "held": [line for each in cycle.held for line in held_words(each, material.generated_at, names)],
    }
    for heading, entries in sections.items():
        lines.append(f"{heading}:{'' if entries else ' none'}")
        if entries:
            lines.append(indented("\n".join(entries)))
    return "\n".join(lines)


def _seen(seen: Observation | None) -> str:
    if seen is None:
        return "no longer kept"
    counts = ", ".join(f"{count} {status}" for status, count in counts_of(seen.nodes).items() if count)
    return f"{len(seen.nodes)} nodes{': ' if counts else ''}{counts}"
