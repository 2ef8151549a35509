"""A real cron brings nodes up, root's and a user's, and their teardown takes the lines of cron along."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.systemd.life import Life, as_root, do, end_lingering, linger, of_a_user, offer
from tests.systemd.picture import Picture, difference, picture
from tests.waiting import eventually

pytestmark = pytest.mark.slow
# The next minute, and one more for a cycle that a busy CPU held back.
PATIENCE_SECONDS = 200
BUSY = 75


@pytest.fixture(scope="module")
def before() -> Iterator[Picture]:
    """The machine before all of it, with ufw on and a user who lingers."""
    offer()
    do("ufw", "--force", "enable")
    linger()
    eventually(lambda: Path(f"/run/user/{of_a_user().home.stat().st_uid}/systemd/private").exists())
    yield picture()
    end_lingering()
    do("ufw", "disable")


@pytest.fixture(scope="module")
def lives(before: Picture) -> Iterator[tuple[Life, Life]]:
    """Root's and a user's, after cron has run a cycle of each."""
    both = as_root(), of_a_user()
    try:
        for life, start in zip(both, (55, 58), strict=True):
            life.init(node_cap=1, keep_keys=False, port_start=start, metrics_port_start=start - 40)
            life.good("cron", "install")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(life.pids() for life in both):
            assert time.monotonic() < deadline, [life.run("cron").out for life in both]
            time.sleep(0.5)
        yield both
    finally:
        for life in both:
            life.run("cron", "remove")
            life.end()


def logs(life: Life) -> Path:
    """Where the line of cron writes to by default."""
    return Path("/var/log/wnm/wnm.log") if life.user == "root" else life.data / "wnm.log"


def has_added(life: Life) -> bool:
    """Whether the log that cron's cycles write says so."""
    return logs(life).exists() and "added antnode0001" in logs(life).read_text()


def test_nodes_come_up_by_cron_alone(lives: tuple[Life, Life]) -> None:
    for life in lives:
        eventually(partial(has_added, life))
        assert life.report("decisions")["exit_code"] == 0
        assert (list(life.pids()), life.disagreements()) == (["antnode0001"], [])


def test_after_a_teardown_cron_starts_nothing_and_nothing_is_left_but_the_logs(
    lives: tuple[Life, Life], before: Picture
) -> None:
    for life in lives:
        while (told := life.run("--force_action=teardown", "--confirm")).code == BUSY:
            time.sleep(0.5)  # cron was faster
        assert told.code == 0, told
    kept = {str(path) for life in lives for path in (logs(life), *logs(life).parents)}
    assert {path for path in difference(before, picture()) if path not in kept} == set()
