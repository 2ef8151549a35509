"""What is put right around the nodes: the firewall, and the service manager's view."""

from datetime import UTC, datetime

import pytest
from tests.act.fakes import FakeFirewall, FakeManager

from wnm.act.executor import TimeLimit
from wnm.act.steps import Backends, reconcile
from wnm.core.action import ClosePort, OpenPort, PortChange
from wnm.core.errors import Transient
from wnm.core.reasons import legacy

CHANGES: tuple[PortChange, ...] = (
    OpenPort(port=55001, comment="wnm antnode0001", because=legacy("its rule is missing")),
    ClosePort(port=55009, comment="wnm antnode0009", because=legacy("no node of that name")),
)


class StandingClock:
    """A clock that stands still."""

    def __init__(self, at: float = 0.0) -> None:
        self.at = at

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


LIMIT = TimeLimit(last_start=10, end=20)


@pytest.fixture
def backends() -> Backends:
    manager = FakeManager()
    return Backends(
        manager=manager, firewall=FakeFirewall(log=manager.done, rules={55009: "wnm antnode0009"})
    )


def rules(backends: Backends) -> dict[int, str]:
    assert isinstance(backends.firewall, FakeFirewall)
    return backends.firewall.rules


def settled(backends: Backends) -> int:
    assert isinstance(backends.manager, FakeManager)
    return backends.manager.settled


def test_rules_are_opened_and_closed_and_the_service_manager_told_once(backends: Backends) -> None:
    assert reconcile(CHANGES, (), backends, clock=StandingClock(), limit=LIMIT) == ()
    assert rules(backends) == {55001: "wnm antnode0001"}
    assert settled(backends) == 1


def test_one_that_fails_is_said_and_stops_no_other(backends: Backends) -> None:
    assert isinstance(backends.firewall, FakeFirewall)

    def fail() -> None:
        raise Transient("ufw: busy")

    backends.firewall.trouble[55001] = fail
    assert reconcile(CHANGES, (), backends, clock=StandingClock(), limit=LIMIT) == (
        "wnm antnode0001: ufw: busy",
    )
    assert rules(backends) == {}
    assert settled(backends) == 1


def test_a_service_manager_that_does_not_settle_is_said(backends: Backends) -> None:
    assert isinstance(backends.manager, FakeManager)

    def fail() -> None:
        raise Transient("systemctl daemon-reload: not done after 20 s")

    backends.manager.trouble["settle", 0] = fail
    assert reconcile((), (), backends, clock=StandingClock(), limit=LIMIT) == (
        "systemctl daemon-reload: not done after 20 s",
    )


def test_without_time_nothing_begins_in_the_firewall(backends: Backends) -> None:
    assert reconcile(CHANGES, (), backends, clock=StandingClock(at=11), limit=LIMIT) == ()
    assert rules(backends) == {55009: "wnm antnode0009"}
