"""How long each rule waits before it tells somebody, and before it says that it is over."""

from collections.abc import Mapping
from datetime import timedelta

from wnm.core.values import Value

UPGRADE_HALTED = "upgrade-halted"
PRESSURE = "pressure"
NODE_FAILING = "node-failing"
MANY_FAILING = "many-nodes-failing"
DISK_CRISIS = "disk-crisis"
DISK_FULL_SOON = "disk-full-soon"
NO_GROWTH = "no-growth"
MISSING_STORAGE = "missing-storage"
CYCLE_GAP = "cycle-gap"
CLOCK = "clock"
CYCLE_FAILS = "cycle-fails"

ENOUGH_SIGHTINGS = 3
"""A machine that was asleep for an hour has not seen anything for an hour: so many cycles have to agree as well."""

QUIET = timedelta(hours=1)
"""The same alert does not start again sooner than this after its end."""

MOST_NODES = 5
_NOW = timedelta(0)
_UNLIMITED = 1_000_000


class Rule(Value, frozen=True, kw_only=True):
    """It has to hold for `hold` to start and be gone for `release` to end; at most `most` are open at one time."""

    hold: timedelta
    release: timedelta
    most: int = _UNLIMITED


def _rule(hold_minutes: float, release_minutes: float, most: int = _UNLIMITED) -> Rule:
    return Rule(hold=timedelta(minutes=hold_minutes), release=timedelta(minutes=release_minutes), most=most)


RULES: Mapping[str, Rule] = {
    UPGRADE_HALTED: _rule(0, 5),
    PRESSURE: _rule(30, 10),
    NODE_FAILING: _rule(0, 10, MOST_NODES),
    MANY_FAILING: _rule(5, 10),
    DISK_CRISIS: _rule(0, 30),
    DISK_FULL_SOON: _rule(60, 360),
    NO_GROWTH: _rule(180, 10),
    MISSING_STORAGE: _rule(5, 5),
    CYCLE_GAP: _rule(0, 10),
    CLOCK: _rule(0, 10),
    # Told without the database, which may be what is wrong; see `wnm.core.alerts.trouble`.
    CYCLE_FAILS: _rule(5, 0),
}
