"""The file beside the database, for when that cannot be read: also one that an earlier wnm has written."""

from pathlib import Path

import pytest
from tests.builders import NOW

from wnm.alerts.fallback import fallback_path, forget_fallback, keep_fallback, read_fallback
from wnm.core.alerts import CycleFailure, FallbackState

URL = "https://hooks.example.org/s3cret"
KNOWN = FallbackState(
    settings=(("alert_urls", URL),),
    failure=CycleFailure(
        since=NOW, text="it is damaged", sightings=3, told=("a",), attempts=2, next_try_at=NOW
    ),
    ping_logged_at=NOW,
)
MOMENT = NOW.isoformat().replace("+00:00", "Z")
EARLIER = f"""{{"is": "Notes", "settings": [["alert_urls", "{URL}"]], "ping_logged_at": "{MOMENT}", "trouble":
{{"is": "Trouble", "since": "{MOMENT}", "text": "it is damaged", "sightings": 3, "ended_at": null, "told": ["a"],
"attempts": 2, "next_try_at": "{MOMENT}"}}}}"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "colony.db")


def test_what_is_kept_is_read_again_and_goes_with_the_database(database: str) -> None:
    keep_fallback(database, KNOWN)
    assert read_fallback(database) == KNOWN
    assert Path(fallback_path(database)).stat().st_mode & 0o777 == 0o600
    forget_fallback(database)
    assert list(Path(database).parent.iterdir()) == []


def test_with_nothing_to_say_there_is_no_file(database: str) -> None:
    keep_fallback(database, KNOWN)
    keep_fallback(database, FallbackState())
    assert list(Path(database).parent.iterdir()) == []
    assert read_fallback(database) == FallbackState()


def test_one_of_an_earlier_wnm_is_read(database: str) -> None:
    Path(fallback_path(database)).write_text(EARLIER)
    assert read_fallback(database) == KNOWN


@pytest.mark.parametrize("content", ["", "rubbish", "[]", '{"is": "Notes", "settings": 3}', '{"more": 1}'])
def test_what_is_not_ours_says_nothing(database: str, content: str) -> None:
    Path(fallback_path(database)).write_text(content)
    assert read_fallback(database) == FallbackState()
