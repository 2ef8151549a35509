"""While everything is torn down cron starts nothing, and what is refused gets its line back."""

from dataclasses import dataclass

import pytest

from wnm.app.schedule import Place, suspended_schedule
from wnm.core.errors import NeedsOperator

LINE = "* * * * * wnm"


@dataclass
class OneLine(Place):
    """A place for the line of one database, in memory."""

    kept: str | None = LINE
    user: str | None = None
    described: str = "a list in memory"
    removal: str = "forget it"
    readable: bool = True

    def line(self) -> str | None:
        if not self.readable:
            raise NeedsOperator("it is not ours", remedy="move it away")
        return self.kept

    def install(self, line: str) -> bool:
        self.kept = line
        return True

    def remove(self) -> bool:
        self.kept = None
        return True


def test_the_line_is_away_meanwhile_and_stays_away() -> None:
    place = OneLine()
    with suspended_schedule(place):
        assert place.kept is None
    assert place.kept is None


def test_what_is_refused_gets_it_back() -> None:
    place = OneLine()
    with pytest.raises(NeedsOperator), suspended_schedule(place):
        raise NeedsOperator("a disk is away", remedy="bring it back")
    assert place.kept == LINE


def test_where_there_was_none_none_is_made() -> None:
    place = OneLine(kept=None)
    with pytest.raises(NeedsOperator), suspended_schedule(place):
        raise NeedsOperator("a disk is away", remedy="bring it back")
    assert place.kept is None


def test_what_is_not_ours_is_left_alone() -> None:
    place = OneLine(readable=False)
    with suspended_schedule(place):
        assert place.kept == LINE
    assert place.kept == LINE
