"""Explains a cycle: its readings, conclusions, actions and what it held back, for people and for programs."""

from collections.abc import Sequence
from datetime import datetime
from textwrap import indent
from typing import Any

from msgspec.structs import replace

from wnm.core.action import OpenPort, PortChange, Result, Resurvey
from wnm.core.codec import encode
from wnm.core.decision import Decision
from wnm.core.node import Node
from wnm.core.observation import Observation, ProgramReading, Unseen
from wnm.core.readings import BY_KEY, gauges
from wnm.core.reasons import Blocked
from wnm.core.sentences import called, remedy, sentence, waiting_for, what
from wnm.core.settings import Settings
from wnm.views.actions import Names, names_in, names_of, node_name_of, past, words_of
from wnm.views.material import CycleView, Material, OutcomeView, counts_of, disks_of, tally
from wnm.views.payload import Payload, envelope, moment, picked, write_env
from wnm.views.places import limit_notes, place_notes
from wnm.views.reports import disk_line, gauge_table
from wnm.views.words import absolute, both, by_rule, printable, relative, size, span, window, with_reason

NO_CYCLE = "no cycle is recorded yet: run wnm once, or let cron start it every minute"
_ROUTINE = frozenset({"disk_bytes", "disk_measured_at", "pid", "process_started_at", "status_since"})
_LIMITS = frozenset(
    {name for each in BY_KEY.values() for name in (each.allow, each.remove)} | {"crisis_bytes"}
)


def explain(material: Material) -> str:
    """The material's cycle: its readings, conclusions, actions with reasons and ends, and all that it held back."""
    cycle = material.cycle
    if cycle is None:
        return NO_CYCLE
    now = material.generated_at
    decision, seen, names = cycle.decision, cycle.seen, names_in(cycle)
    head = f"cycle {cycle.number}, {both(cycle.started_at, now)}"
    if cycle.ended_at is None:
        head += ", was killed or still runs"
    else:
        head += f", took {(cycle.ended_at - cycle.started_at).total_seconds():.1f} s"
    if cycle.exit_code is not None:
        head += f", exit code {cycle.exit_code}"
    parts = [f"{head}\ndecided {with_reason(by_rule(cycle.rule), cycle.because)}"]
    if seen is not None:
        parts.extend(_world(seen, limits_then(cycle, material.settings)))
    else:
        parts.append("What it saw and concluded is no longer kept.")
    # A node has at most one action in a cycle.
    ends, did = {outcome.node: outcome for outcome in cycle.outcomes}, []
    for action in () if decision is None else decision.actions:
        end = None if isinstance(action, Resurvey) else ends.pop(node_name_of(action, names), None)
        ended = "done" if isinstance(action, Resurvey) else "not begun" if end is None else ended_words(end)
        did.append(f"{_planned(action, names)}\n  {ended}")
    did += [outcome_words(end) for end in ends.values()]
    waits = [words for each in cycle.held for words in held_words(each, now, names)]
    headings = ("concluded", "did", "changed in the firewall", "held back")
    return "\n\n".join([*parts, *_sections(headings, decision, did, waits)])


def plan_text(seen: Observation, decision: Decision, settings: Settings) -> str:
    """Return what a cycle that sees this would conclude, do and hold back, for people."""
    names = names_of((each.node for each in seen.nodes), decision)
    reason = with_reason(by_rule(decision.rule), sentence(decision.because, names))
    parts = [f"dry run, nothing is changed\nwould be decided {reason}", *_world(seen, settings)]
    headings = ("would conclude", "would do", "would change in the firewall", "would hold back")
    waits = [words for each in decision.held for words in held_words(each, seen.now, names)]
    planned = [_planned(action, names) for action in decision.actions]
    return "\n\n".join([*parts, *_sections(headings, decision, planned, waits)])


def _sections(
    headings: Sequence[str], decision: Decision | None, actions: Sequence[str], waits: Sequence[str]
) -> list[str]:
    """The conclusions as far as they are kept, the actions, changes in the firewall, and what is held back."""
    concluded, did, changed, back = headings
    sections: dict[str, Sequence[str]] = {did: actions, back: waits}
    if decision is not None:
        ports = {changed: [port_words(each) for each in decision.ports]} if decision.ports else {}
        marks = [f"mark the storage folder {each.place.path}" for each in decision.places if each.marks]
        sections = {concluded: _conclusions(decision), did: [*marks, *actions], **ports, back: waits}
    return [
        f"{heading}\n{indent('\n'.join(entries), '  ')}" if entries else f"{heading}: nothing"
        for heading, entries in sections.items()
    ]


def held_words(held: Blocked, now: datetime, names: Names) -> list[str]:
    """Return what is held back, what it waits for and until when; the remedy on a line of its own."""
    line = f"{printable(what(held, names))}: waits for {printable(waiting_for(held, names))}"
    if held.until is not None:
        line += f", until {both(held.until, now)}"
    help_ = remedy(held, names)
    return [line] if help_ is None else [line, f"  remedy: {printable(help_)}"]


def port_words(change: PortChange) -> str:
    """A change in the firewall and its reason."""
    verb = "open" if isinstance(change, OpenPort) else "close"
    return f"{verb} {change.port}/udp ({printable(change.comment)}), because: {printable(sentence(change.because))}"


def outcome_words(outcome: OutcomeView) -> str:
    """An action and how it ended."""
    return f"{printable(outcome.action)}: {ended_words(outcome)}"


def limits_then(cycle: CycleView, settings: Settings) -> Settings:
    """The present settings with the limits that the cycle was decided with."""
    then: dict[str, Any] = {}
    for name, text in cycle.settings_texts.items():
        present = getattr(settings, name, None)
        if type(present) in (int, float) and name in _LIMITS:
            try:
                then[name] = int(text) if type(present) is int else float(text)
            except ValueError:
                continue
    return replace(settings, **then)


def _world(seen: Observation, settings: Settings) -> list[str]:
    """The machine against its limits, the nodes by status, and the program that nodes would be given."""
    disks = disks_of(seen.machine, settings)
    machine = gauge_table([*gauges(seen.machine, settings), *(gauge for _, gauge in disks)])
    free = "\n".join(disk_line(system, settings) for system, _ in disks)
    over = seen.machine.window_seconds
    about = "the machine" if over is None else f"the machine, rates over the last {window(over)}"
    nodes = tally(counts_of(seen.nodes)) or "none"
    facts = [f"nodes: {nodes}", f"program: {program_words(seen.available)}"]
    facts += limit_notes(seen.machine)
    facts += [f"storage {note.path}: {note.words}" for note in place_notes(seen, settings, seen.now)]
    if seen.rebooted:
        facts.append("the machine was restarted since the cycle before")
    readings = indent(f"{machine}\n{free}" if free else machine, "  ")
    return [f"{about}\n{readings}", "\n".join(facts)]


def program_words(found: ProgramReading | Unseen) -> str:
    """The program that nodes are given, for people."""
    if isinstance(found, Unseen):
        return f"not seen: {printable(found.reason)}"
    if isinstance(found.version, Unseen):
        return f"{printable(found.path)}, its version not seen: {printable(found.version.reason)}"
    return f"{printable(found.path)} is {printable(found.version)}"


def _conclusions(decision: Decision) -> list[str]:
    """Changes of state with their reasons, else the facts that are new; nothing where only figures went on."""
    lines = []
    for conclusion in decision.conclusions:
        before, after = conclusion.before, conclusion.after
        news = []
        for name, written in zip(Node.__struct_fields__, Node.__struct_encode_fields__, strict=True):
            value = getattr(after, name)
            if name not in _ROUTINE and value != getattr(before, name):
                told = absolute(value) if isinstance(value, datetime) else "none" if value is None else value
                news.append(f"{written} {printable(str(told))}")
        if before.status is not after.status:
            news = [f"{before.status} -> {after.status}, {printable(after.because)}"]
        if news:
            lines.append(f"{printable(after.name)}: {', '.join(news)}")
    return lines


def _planned(action: Any, names: Names) -> str:
    return f"{printable(words_of(action, names))}, because: {printable(sentence(action.because, names))}"


def ended_words(outcome: OutcomeView) -> str:
    """The end of an action: `stopped: it had to be killed`."""
    words: dict[str | None, str] = {
        None: "not concluded: the cycle was killed or still runs, and the next one finishes or undoes it",
        Result.DONE: past(outcome.kind),
        Result.DEFERRED: "deferred to a later cycle",
        Result.UNFINISHED: "unfinished when the cycle's time was over; the next one sees to it",
    }
    return f"{words.get(outcome.result) or outcome.result}{end_details(outcome)}"


def end_details(outcome: OutcomeView) -> str:
    """The details of an end, behind a colon: an error, a note, the space that it freed."""
    details = [detail for detail in (outcome.error, outcome.note) if detail]
    if outcome.freed_bytes is not None:
        details.append(f"freed {size(outcome.freed_bytes)}")
    return f": {printable('; '.join(details))}" if details else ""


def last_cycle_line(material: Material) -> str:
    """The cycle in one line: `cycle 12, 40 s ago: growth: the machine has capacity; exit code 0; 2 held back`."""
    cycle, now = material.cycle, material.generated_at
    if cycle is None:
        return NO_CYCLE
    reason = with_reason(printable(cycle.rule), cycle.because)
    parts = [f"cycle {cycle.number}, {relative(cycle.started_at, now)}: {reason}"]
    if cycle.exit_code is None:
        parts.append(f"killed or still running after {span(now - cycle.started_at)}")
    elif cycle.exit_code:
        parts.append(f"exit code {cycle.exit_code}")
    failed = [outcome for outcome in cycle.outcomes if outcome.result == Result.FAILED]
    if failed:
        parts.append("failed: " + ", ".join(f"{printable(each.action)}" for each in failed[:3]))
    if cycle.held:
        parts.append(f"{len(cycle.held)} held back, see wnm explain")
    return "; ".join(parts)


_FACTS = ("started_at", "ended_at", "exit_code", "rule", "because")
_LISTS = ("actions", "held", "outcomes")


def cycle_payload(material: Material) -> Payload:
    """The exported cycle: what it saw, under which settings, what it decided, and what became of it.

    `observation` and `decision` are null when they are no longer kept; everything is when there was no cycle.
    """
    cycle = material.cycle
    if cycle is None:
        none = dict.fromkeys(("cycle", *_FACTS, "observation", "decision"))
        return envelope(material.generated_at, {**none, "settings": {}, **{name: [] for name in _LISTS}})
    decision, names = cycle.decision, names_in(cycle)
    return envelope(
        material.generated_at,
        {
            "cycle": cycle.number,
            **picked(cycle, _FACTS),
            "settings": dict(cycle.settings_texts),
            "observation": None if cycle.seen is None else encode(cycle.seen),
            "decision": None if decision is None else encode(decision),
            "actions": [
                {
                    "kind": type(action).__name__,
                    "node": None if isinstance(action, Resurvey) else node_name_of(action, names),
                    "action": words_of(action, names),
                    "because": sentence(action.because, names),
                }
                for action in (() if decision is None else decision.actions)
            ],
            "held": [held_payload(each, names) for each in cycle.held],
            "outcomes": [picked(each, OutcomeView.__struct_fields__) for each in cycle.outcomes],
        },
    )


def held_payload(held: Blocked, names: Names) -> Payload:
    """A blocked action, for people and for programs: sentences, kinds and the names of nodes."""
    return {
        "what": what(held, names),
        "waiting_for": waiting_for(held, names),
        "until": moment(held.until),
        "remedy": remedy(held, names),
        "kind": held.kind.value,
        "nodes": [called(each, names) for each in held.nodes],
        "waits_on": [called(each, names) for each in held.waits_on],
    }


def cycle_env(material: Material) -> str:
    """CYCLE_NUMBER, CYCLE_RULE, CYCLE_BECAUSE, …, and how many actions, things held and failures there were."""
    content = cycle_payload(material)
    values = {"NUMBER": content["cycle"], **{key.upper(): content[key] for key in _FACTS}}
    values |= {key.upper(): len(content[key]) for key in _LISTS}
    values["FAILED"] = sum(outcome["result"] == "failed" for outcome in content["outcomes"])
    return write_env({f"CYCLE_{name}": value for name, value in values.items()})


def cycle_text(material: Material) -> str:
    """The same in short, for people; `wnm explain` says more."""
    cycle = material.cycle
    if cycle is None:
        return NO_CYCLE
    names = names_in(cycle)
    exit_code = "unknown: it was killed or still runs" if cycle.exit_code is None else cycle.exit_code
    seen = "no longer kept"
    if cycle.seen is not None:
        seen = f"{len(cycle.seen.nodes)} nodes: {tally(counts_of(cycle.seen.nodes))}".removesuffix(": ")
    lines = [
        f"cycle {cycle.number}, {absolute(cycle.started_at)}, exit code {exit_code}",
        f"rule: {printable(cycle.rule)}: {printable(cycle.because)}",
        f"seen: {seen}",
    ]
    sections = {
        "actions": [
            f"{printable(words_of(action, names))}: {printable(sentence(action.because, names))}"
            for action in (() if cycle.decision is None else cycle.decision.actions)
        ],
        "outcomes": [outcome_words(each) for each in cycle.outcomes],
        "held": [line for each in cycle.held for line in held_words(each, material.generated_at, names)],
    }
    for heading, entries in sections.items():
        lines.append(f"{heading}:{'' if entries else ' none'}")
        if entries:
            lines.append(indent("\n".join(entries), "  "))
    return "\n".join(lines)
