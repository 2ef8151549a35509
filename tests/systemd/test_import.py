"""`wnm --init --import` with the real systemd: of the whole system, and of an ordinary user."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.operator import LIMITS
from tests.systemd.life import (
    PROGRAM,
    Life,
    added_rules,
    as_root,
    do,
    end_lingering,
    linger,
    name,
    of_a_user,
    offer,
)


@pytest.fixture(params=["root", "user"])
def life(request: pytest.FixtureRequest) -> Iterator[Life]:
    """Two nodes that run and one that was stopped by hand."""
    made = as_root() if request.param == "root" else of_a_user()
    offer()
    do("ufw", "--force", "enable")
    if request.param == "user":
        linger()
    try:
        made.init()
        made.bring_up(3)
        made.good("--force_action=stop", "--service_name=antnode0003")
        yield made
    finally:
        made.end()
        assert added_rules() == [], "the rules went with the nodes"
        for folder in (made.nodes, made.logs, made.data):
            if folder.exists():  # Whoever imports finds them there, and leaves them there.
                folder.rmdir()
        if request.param == "user":
            end_lingering()
        do("ufw", "disable")


def lose(life: Life) -> None:
    for path in life.data.glob("colony.db*"):
        path.unlink()


def wishes(life: Life) -> list[str]:
    """What only the operator can know."""
    given = {"antnode_path": PROGRAM, **LIMITS, **life.wishes}
    return [f"--{key}={value}" for key, value in given.items()]


@pytest.fixture
def stranger(life: Life) -> Iterator[Path]:
    """A unit that is called like a node and is none."""
    unit = Path(life.units, "antnode0007.service")
    unit.write_text("[Service]\nExecStart=/bin/sh -c 'touch /opt/ran-by-somebody'\n")
    yield unit
    unit.unlink()


def test_the_lost_database_is_built_again_from_the_units(life: Life, stranger: Path) -> None:
    before, pids = life.rows(), life.pids()
    units = {number: life.unit(number).read_bytes() for number in before}
    lose(life)
    told = life.good("--init", "--import", *wishes(life))
    assert "antnode0003: STOPPED" in told.out
    assert ("firewall = ufw" in told.out) == (life.user == "root")
    assert f"antnode0007.service ({stranger})" in told.out
    after = life.rows()
    assert sorted(after) == [1, 2, 3]
    for number, row in after.items():
        was = before[number]
        assert row.command is None, "wnm's own unit, as it would write it again"
        assert (row.port, row.metrics_port, row.wallet, row.user, row.root_dir, row.log_dir, row.start_args) == (
            was.port, was.metrics_port, was.wallet, was.user, was.root_dir, was.log_dir, was.start_args,
        )  # fmt: skip
        assert row.environment == was.environment
    assert life.pids() == pids
    assert {number: life.unit(number).read_bytes() for number in before} == units
    life.cycles_until(lambda: len(life.pids()) == 3, at_most=4)
    assert {each: now for each, now in life.pids().items() if each in pids} == pids
    assert {number: life.unit(number).read_bytes() for number in before} == units, "nothing is written anew"
    assert stranger.exists()
    assert not Path("/opt/ran-by-somebody").exists()
    assert name(7) not in life.pids()
