"""What the last cycles decided and why, and what the latest one waits for."""

from collections.abc import Sequence
from itertools import groupby

from wnm.core.decide.ladder import IDLE
from wnm.core.reasons import Blocked
from wnm.core.sentences import sentence, waiting_for, what
from wnm.core.timeline import OperationRecord, Past, PastCycle
from wnm.views.deeds import Names, outcome_view
from wnm.views.explain import outcome_words
from wnm.views.page.markup import Markup, element, joined, time
from wnm.views.page.subject import Subject
from wnm.views.words import shorten

MOST_ENTRIES = 40
MOST_DEEDS = 12
MOST_HELD = 20
_LONGEST = 300


def decisions(subject: Subject) -> Markup:
    """The section: what waits, then the cycles, newest first; those in a row that said the same are one entry."""
    cycle = subject.material.cycle
    heading = element("h2", "Decisions", id="decisions")
    if cycle is None:
        nothing = element("p", "No cycle has run yet.")
        return element("section", heading, nothing, aria_labelledby="decisions")
    names = {int(each.node.id): each.node.name for each in subject.material.nodes}
    return element(
        "section",
        heading,
        *_waiting([held for held in cycle.held if held.remedy is None], names),
        element("h3", "The last cycles"),
        element("ol", *(_entry(*each, names) for each in _entries(subject.past)), class_="cycles"),
        aria_labelledby="decisions",
    )


def _waiting(held: Sequence[Blocked], names: Names) -> list[Markup]:
    if not held:
        return []
    lines = [element("li", *_held(each, names)) for each in held[:MOST_HELD]]
    if len(held) > MOST_HELD:
        lines.append(element("li", f"and {len(held) - MOST_HELD:,} more: wnm explain"))
    return [element("h3", "What the latest cycle held back"), element("ul", *lines, class_="held")]


def _held(held: Blocked, names: Names) -> tuple[Markup | str, ...]:
    words: tuple[Markup | str, ...] = (
        element("strong", shorten(what(held, names), _LONGEST)),
        f" waits for {shorten(waiting_for(held, names), _LONGEST)}",
    )
    return words if held.until is None else (*words, ", until ", time(held.until))


type _Group = tuple[tuple[PastCycle, ...], tuple[OperationRecord, ...]]


def _entries(past: Past) -> list[_Group]:
    """Cycles that did something stand alone, idle ones are together while they say the same."""
    deeds: dict[int, list[OperationRecord]] = {}
    for each in reversed(past.operations):
        deeds.setdefault(each.cycle, []).append(each)

    def kind(cycle: PastCycle) -> tuple[object, ...]:
        if cycle.number in deeds:
            return (cycle.number,)
        return (cycle.rule, cycle.because if cycle.rule == IDLE else None, cycle.exit_code)

    groups = [tuple(group) for _, group in groupby(past.cycles, kind)]
    return [(group, tuple(deeds.get(group[0].number, ()))) for group in groups[:MOST_ENTRIES]]


def _entry(cycles: tuple[PastCycle, ...], deeds: tuple[OperationRecord, ...], names: Names) -> Markup:
    latest, first = cycles[0], cycles[-1]
    number = element("span", f" #{latest.number}", class_="quiet")
    head: list[Markup | str] = [time(latest.started_at), number]
    if len(cycles) > 1:
        head += [element("span", f" {len(cycles):,} cycles since ", time(first.started_at), class_="quiet")]
    head += [" ", element("span", latest.rule, class_="rule"), " ", *_ended(latest)]
    because = element("p", shorten(latest.because, _LONGEST)) if latest.because else None
    lines = [_deed(each, names) for each in deeds[:MOST_DEEDS]]
    if len(deeds) > MOST_DEEDS:
        lines.append(element("li", f"and {len(deeds) - MOST_DEEDS:,} more: wnm explain {latest.number}"))
    done = element("ul", *lines) if lines else None
    return element(
        "li",
        element("p", joined(head), class_="when"),
        because,
        done,
        class_="acted" if deeds else "quiet-cycle",
    )


def _ended(cycle: PastCycle) -> tuple[Markup, ...]:
    if cycle.exit_code is None:
        return (element("span", "killed, or still running", class_="bad"),)
    if cycle.exit_code:
        return (element("span", f"exit code {cycle.exit_code}", class_="bad"),)
    return ()


def _deed(operation: OperationRecord, names: Names) -> Markup:
    view = outcome_view(
        operation.action,
        names,
        result=operation.result,
        error=operation.error,
        note=operation.note,
        freed_bytes=operation.freed_bytes,
    )
    failed = operation.result not in ("done", "deferred")
    words = shorten(outcome_words(view), _LONGEST)
    because = f", because: {shorten(sentence(operation.action.because, names), _LONGEST)}"
    return element("li", words, element("span", because, class_="quiet"), class_="failed" if failed else None)
