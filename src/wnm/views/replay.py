"""Reads an exported cycle, which anybody may have written, and compares two decisions."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.action import Action, Resurvey, node_of
from wnm.core.codec import decode, load
from wnm.core.decision import Decision
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
    found += _changes(
        "done",
        {_about(each): each for each in recorded.actions},
        {_about(each): each for each in again.actions},
        lambda action: words_of(action, names),
        lambda then, now: (
            f"{_title(now, names)}: {_differences(then, now, names)}"
            if type(then) is type(now)
            else f"was {words_of(then, names)}, now {words_of(now, names)}"
        ),
    )
    found += _changes(
        "concluded",
        {each.after.id: each for each in recorded.conclusions},
        {each.after.id: each for each in again.conclusions},
        lambda each: f"{each.after.name} is {each.after.status}",
        lambda then, now: f"concluded of {now.after.name}: {_differences(then.after, now.after, names)}",
    )
    held, again_held = ({repr(each): each for each in decision.held} for decision in (recorded, again))
    found += _changes(
        "held back", held, again_held, lambda each: _held_words(each, names), lambda then, now: ""
    )
    if not found and recorded != again:
        found.append("the same actions, conclusions and reasons in another order")
    return tuple(map(printable, found))


def _changes[K, V](
    done: str,
    then: Mapping[K, V],
    now: Mapping[K, V],
    words: Callable[[V], str],
    changed: Callable[[V, V], str],
) -> Iterator[str]:
    """What went, what came, and what is another than it was, of values by what they are about."""
    for key in {**then, **now}:
        if key not in now:
            yield f"was {done}, is no more: {words(then[key])}"
        elif key not in then:
            yield f"was not {done}, is now: {words(now[key])}"
        elif then[key] != now[key]:
            yield changed(then[key], now[key])


def _about(action: Action) -> int | None:
    return None if isinstance(action, Resurvey) else node_of(action)


def _title(action: Action, names: Names) -> str:
    words = verb(type(action).__name__)
    return words if isinstance(action, Resurvey) else f"{words} {node_name_of(action, names)}"


def _held_words(held: Blocked, names: Names) -> str:
    until = "" if held.until is None else f" until {absolute(held.until)}"
    end = f" (remedy: {remedy(held, names)})" if held.remedy else ""
    return f"{what(held, names)} waits for {waiting_for(held, names)}{until}{end}"


def _differences(then: Any, now: Any, names: Names) -> str:
    """The fields in which two values of one type differ."""
    found = []
    for name in then.__struct_fields__:
        was, is_ = (getattr(each, name) for each in (then, now))
        if was != is_:
            was, is_ = (sentence(each, names) if isinstance(each, Reason) else each for each in (was, is_))
            found.append(f"{name} was {was}, now {is_}")
    return "; ".join(found) or "remembered otherwise before"


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
