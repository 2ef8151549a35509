"""From one cycle to the next: which alerts start, which end, and which have to wait and see."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from wnm.core.alerts.rules import ENOUGH_SIGHTINGS, QUIET, RULES, Rule
from wnm.core.alerts.values import Condition, Episode, Findings
from wnm.core.values import Value

type _Identity = tuple[str, str]


class Advance(Value, frozen=True, kw_only=True):
    """What is different now. `started` and `ended`, of which somebody is told, are among `changed`."""

    changed: tuple[Episode, ...] = ()
    dropped: tuple[Episode, ...] = ()
    started: tuple[Episode, ...] = ()
    ended: tuple[Episode, ...] = ()


def advance(
    episodes: Iterable[Episode], findings: Findings, now: datetime, rules: Mapping[str, Rule] = RULES
) -> Advance:
    """What this cycle's findings make of the episodes: those that have not ended, and the last ended ones.

    An episode starts once and ends once; there is one at a time for a key and a subject.
    """
    running, last_end = _sorted_out(episodes)
    found = {(each.key, each.subject): each for each in findings.conditions if each.key in rules}
    open_ones = Counter(each.key for each in running.values() if each.is_open)
    changed, dropped, started, ended = [], [], [], []
    for identity in [*running, *(each for each in found if each not in running)]:
        key = identity[0]
        before, condition = running.get(identity), found.get(identity)
        if condition is None:
            if before is None or key in findings.blind:
                continue
            if not before.is_open:
                dropped.append(before)
                continue
            after = _without(before, _rule_of(key, rules), now)
            if after.ended_at is not None:
                ended.append(after)
                open_ones[key] -= 1
        else:
            may_start = not _is_quiet(last_end.get(identity), now) and open_ones[key] < rules[key].most
            after = _with(before, condition, rules[key], now, may_start=may_start)
            if after.is_open and (before is None or not before.is_open):
                started.append(after)
                open_ones[key] += 1
        if after != before:
            changed.append(after)
    return Advance(changed=tuple(changed), dropped=tuple(dropped), started=tuple(started), ended=tuple(ended))


def _sorted_out(
    episodes: Iterable[Episode],
) -> tuple[dict[_Identity, Episode], dict[_Identity, datetime]]:
    """The episodes that have not ended, and when the last of the others ended."""
    running: dict[_Identity, Episode] = {}
    last_end: dict[_Identity, datetime] = {}
    for each in episodes:
        identity = (each.key, each.subject)
        if each.ended_at is None:
            running[identity] = each
        else:
            last_end[identity] = max(each.ended_at, last_end.get(identity, each.ended_at))
    return running, last_end


def _rule_of(key: str, rules: Mapping[str, Rule]) -> Rule:
    """An episode of a rule that there is no more ends as soon as it is seen to be gone."""
    return rules.get(key) or Rule(hold=timedelta(0), release=timedelta(0))


def _with(
    before: Episode | None, condition: Condition, rule: Rule, now: datetime, *, may_start: bool
) -> Episode:
    """The episode in a cycle that sees its condition."""
    if before is None:
        after = Episode(
            key=condition.key,
            subject=condition.subject,
            severity=condition.severity,
            text=condition.text,
            remedy=condition.remedy,
            since=now,
        )
    elif before.is_open:
        return before if before.gone_since is None else replace(before, gone_since=None)
    else:
        # A time that lies ahead dates from before the clock was set back: the wait begins anew.
        sightings = min(before.sightings + 1, ENOUGH_SIGHTINGS)
        after = replace(before, since=min(before.since, now), sightings=sightings)
    if may_start and _lasted(after.since, after.sightings, rule.hold, now):
        return replace(
            after,
            started_at=now,
            severity=condition.severity,
            text=condition.text,
            remedy=condition.remedy,
        )
    return after


def _without(before: Episode, rule: Rule, now: datetime) -> Episode:
    """An open episode in a cycle that does not see its condition."""
    if before.gone_since is None:
        after = replace(before, gone_since=now, sightings=1)
    else:
        sightings = min(before.sightings + 1, ENOUGH_SIGHTINGS)
        after = replace(before, gone_since=min(before.gone_since, now), sightings=sightings)
    if _lasted(after.gone_since or now, after.sightings, rule.release, now):
        return replace(after, ended_at=now)
    return after


def _lasted(since: datetime, sightings: int, long_enough: timedelta, now: datetime) -> bool:
    return not long_enough or (sightings >= ENOUGH_SIGHTINGS and now - since >= long_enough)


def _is_quiet(ended_at: datetime | None, now: datetime) -> bool:
    """Whether it ended so recently that another beginning would be one too many."""
    return ended_at is not None and timedelta(0) <= now - ended_at < QUIET
