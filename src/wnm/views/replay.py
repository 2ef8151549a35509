"""Reads an exported cycle, which anybody may have written, and compares two decisions."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import fields, replace

from wnm.core.action import Action, Resurvey, node_of
from wnm.core.codec import decode, load
from wnm.core.decision import Conclusion, Decision
from wnm.core.errors import BadInput, shortened
from wnm.core.observation import Observation
from wnm.core.reasons import Blocked, Reason, ReasonKind, legacy, legacy_blocked
from wnm.core.sentences import remedy, sentence, waiting_for, what
from wnm.views.actions import Names, names_of, node_name_of, verb, words_of
from wnm.views.payload import SCHEMA
from wnm.views.words import absolute, printable, shorten

LARGEST_BYTES = 64 * 1024 * 1024
_REMEDY = "give a file that wnm --report decisions --json wrote"


class Exported(Struct, frozen=True, kw_only=True):
    """A cycle that can be planned again. `settings_texts` have not been looked at: resolving them does that."""

    cycle: int
    settings_texts: Mapping[str, str]
    seen: Observation
    recorded: Decision


def load_exported(text: str) -> Exported:
    """The cycle in an export. BadInput, in one line, for anything else, and for more than LARGEST_BYTES."""
    if len(text) > LARGEST_BYTES:
        raise BadInput(f"an exported cycle of more than {LARGEST_BYTES} bytes cannot be one: {_REMEDY}")
    try:
        data = load(text)
    except BadInput as error:
        raise BadInput(f"not an exported cycle, {printable(str(error))}: {_REMEDY}") from None
    if not isinstance(data, dict) or not isinstance(data.get("cycle"), int):
        raise BadInput(f"not an exported cycle: {_REMEDY}")
    if data.get("schema") != SCHEMA:
        raise BadInput(f"an export of schema {shortened(str(data.get('schema')))}, not {SCHEMA}: {_REMEDY}")
    if data.get("observation") is None or data.get("decision") is None:
        raise BadInput(
            f"cycle {data['cycle']} was exported after its recording was dropped: export a newer one"
        )
    return Exported(
        cycle=data["cycle"],
        settings_texts=_texts(data.get("settings")),
        seen=_decoded(Observation, data, "observation"),
        recorded=_decoded(Decision, data, "decision"),
    )


def _texts(data: object) -> Mapping[str, str]:
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        raise BadInput(f"not an exported cycle: its settings are not texts by name; {_REMEDY}")
    return data


def _decoded[T](kind: type[T], data: Mapping[str, Any], key: str) -> T:
    try:
        return decode(kind, data[key])
    except (BadInput, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadInput(
            f"not an exported cycle, {key}: {shorten(printable(reason), 200)}; {_REMEDY}"
        ) from None


def compare(recorded: Decision, again: Decision) -> tuple[str, ...]:
    """Return the differences, a line each, for people; empty when the two decisions are the same."""
    names = {**names_of((), recorded), **names_of((), again)}
    if recorded.because.kind is ReasonKind.LEGACY:
        again = in_words(again, names)
    found: list[str] = []
    if recorded.rule != again.rule:
        found.append(f"rule: was {recorded.rule!r}, now {again.rule!r}")
    if recorded.because != again.because:
        was, now = sentence(recorded.because, names), sentence(again.because, names)
        found.append(f"because: was {was!r}, now {now!r}")
    found.extend(_actions(recorded, again, names))
    found.extend(_conclusions(recorded.conclusions, again.conclusions, names))
    found.extend(_held(recorded.held, again.held, names))
    if not found and recorded != again:
        found.append("the same actions, conclusions and reasons in another order")
    return tuple(map(printable, found))


def _actions(recorded: Decision, again: Decision, names: Names) -> Iterable[str]:
    then, now = _by_node(recorded.actions), _by_node(again.actions)
    for key in {**then, **now}:
        if key not in now:
            yield f"was done, is no more: {words_of(then[key], names)}"
        elif key not in then:
            yield f"was not done, is now: {words_of(now[key], names)}"
        elif type(then[key]) is not type(now[key]):
            yield f"was {words_of(then[key], names)}, now {words_of(now[key], names)}"
        elif then[key] != now[key]:
            yield f"{_title(now[key], names)}: {_differences(then[key], now[key], names)}"


def _by_node(actions: Iterable[Action]) -> Mapping[int | None, Action]:
    return {None if isinstance(action, Resurvey) else node_of(action): action for action in actions}


def _title(action: Action, names: Names) -> str:
    words = verb(type(action).__name__)
    return words if isinstance(action, Resurvey) else f"{words} {node_name_of(action, names)}"


def _conclusions(then: Iterable[Conclusion], now: Iterable[Conclusion], names: Names) -> Iterable[str]:
    before = {each.after.id: each for each in then}
    after = {each.after.id: each for each in now}
    for key in {**before, **after}:
        if key not in after:
            yield f"was concluded, is no more: {before[key].after.name} is {before[key].after.status}"
        elif key not in before:
            yield f"was not concluded, is now: {after[key].after.name} is {after[key].after.status}"
        elif before[key] != after[key]:
            yield f"concluded of {after[key].after.name}: {_differences(before[key].after, after[key].after, names)}"


def _held(then: tuple[Blocked, ...], now: tuple[Blocked, ...], names: Names) -> Iterable[str]:
    for held in then:
        if held not in now:
            yield f"was held back, is no more: {_held_words(held, names)}"
    for held in now:
        if held not in then:
            yield f"was not held back, is now: {_held_words(held, names)}"


def _held_words(held: Blocked, names: Names) -> str:
    until = "" if held.until is None else f" until {absolute(held.until)}"
    help_ = remedy(held, names)
    end = "" if help_ is None else f" (remedy: {help_})"
    return f"{what(held, names)} waits for {waiting_for(held, names)}{until}{end}"


def _differences(then: Any, now: Any, names: Names) -> str:
    """The fields in which two values of one type differ."""
    changed = [
        f"{each.name} was {_shown(getattr(then, each.name), names)}, now {_shown(getattr(now, each.name), names)}"
        for each in fields(then)
        if getattr(then, each.name) != getattr(now, each.name)
    ]
    return "; ".join(changed) or "remembered otherwise before"


def _shown(value: object, names: Names) -> str:
    return sentence(value, names) if isinstance(value, Reason) else str(value)


def in_words(decision: Decision, names: Names) -> Decision:
    """The decision with its reasons as an older wnm recorded them: as sentences."""

    def told(reason: Reason) -> Reason:
        return legacy(sentence(reason, names))

    return replace(
        decision,
        because=told(decision.because),
        actions=tuple(replace(each, because=told(each.because)) for each in decision.actions),
        ports=tuple(replace(each, because=told(each.because)) for each in decision.ports),
        held=tuple(
            legacy_blocked(what(each, names), waiting_for(each, names), each.until, remedy(each, names))
            for each in decision.held
        ),
    )
