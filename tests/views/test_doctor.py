"""The check of the set-up: what memory alone can tell, and how all of it is written."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.builders import GB, available, disk, node, seen, settings
from tests.views.builders import (
    LATER,
    blind,
    colony,
    cycle,
    failing,
    held,
    material,
    outcome,
    stopped,
    unread,
)

from wnm.core.action import Result, StopNode
from wnm.core.decide.ladder import decide
from wnm.core.earnings import FULL_COUNTER_ATTOS
from wnm.core.node import NodeId, Status
from wnm.core.observation import NodePage, ShunRates, Unseen
from wnm.core.reasons import legacy
from wnm.views.doctor import Check, CheckKind, checks_of, payload, text
from wnm.views.material import Material
from wnm.views.payload import write_json


def named(of: Material) -> dict[str, Check]:
    return {check.name: check for check in checks_of(of)}


def bad(of: Material) -> list[str]:
    return [check.name for check in checks_of(of) if check.ok is False]


def after(*, nodes: Any = (), **changes: Any) -> Material:
    """Material of a cycle with these changes."""
    view, wished = seen(nodes), settings()
    return material(nodes, wished=wished, of_cycle=cycle(view, decide(view, wished), wished, **changes))


def test_a_healthy_machine_has_nothing_bad() -> None:
    assert bad(material(colony(3))) == []
    assert named(material(colony(3)))["thresholds"].ok is True


def test_no_cycle_yet_points_to_cron() -> None:
    check = named(material((unread(1),), of_cycle=None))["last cycle"]
    assert check.ok is False
    assert check.remedy is not None
    assert "cron" in check.remedy


@pytest.mark.parametrize(
    ("age", "ok"), [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)]
)
def test_a_last_cycle_older_than_five_minutes_is_bad(age: timedelta, ok: bool) -> None:
    check = named(after(started_at=LATER - age))["last cycle"]
    assert check.ok is ok
    assert (check.remedy is None) is ok


@pytest.mark.parametrize("found", [Unseen(reason="there is none"), available(Unseen(reason="it hangs"))])
def test_no_available_program_is_bad_with_its_reason(found: Any) -> None:
    check = named(material(available=found))["available program"]
    assert check.ok is False
    assert check.detail.endswith(("there is none", "it hangs"))
    assert check.remedy is not None


def test_a_program_of_another_kind_is_no_good_program() -> None:
    found = available("0.11.0", kind="ant-node")
    check = named(material(available=found))["available program"]
    assert (check.ok, check.remedy is None) == (False, False)
    assert check.detail.endswith("is ant-node, not antnode")


@pytest.mark.parametrize(
    ("system", "ok"),
    [
        (disk(used=20.0), True),
        (disk(used=75.0), None),
        (disk(used=85.0), False),
        (disk(used=20.0, free_bytes=1 * GB), False),
    ],
)
def test_disks_are_judged_by_their_limits_and_the_crisis(system: Any, ok: bool | None) -> None:
    check = named(material(disks=(system,)))["disk /"]
    assert check.ok is ok
    assert (check.remedy is not None) is (ok is False)


def test_a_reading_that_keeps_growth_back_is_a_note() -> None:
    check = named(material(cpu=75.0))["cpu"]
    assert (check.ok, check.detail) == (None, "cpu is 75.0 % (limit 70.0 %): no node is added")
    assert named(material(cpu=90.0))["cpu"].detail == "cpu is 90.0 % (limit 80.0 %): nodes are stopped"


def test_readings_that_were_not_seen_are_notes() -> None:
    check = named(material(machine=blind()))["memory"]
    assert (check.ok, check.detail) == (None, "memory was not seen (nobody looked): no node is added")


def test_nodes_that_fail_repeatedly_are_named_with_their_error() -> None:
    check = named(material((failing(1), stopped(2))))["antnode0001"]
    assert check.ok is False
    assert check.detail == "failed 3 times in a row: its process ended unexpectedly; tried again in 3 min"
    assert "/data/logs/antnode0001" in (check.remedy or "")
    assert bad(material((failing(1, failures=2),))) == []


def test_many_failing_nodes_do_not_fill_the_screen() -> None:
    found = bad(material([failing(number) for number in range(1, 60)]))
    assert len(found) == 11
    assert found[-1] == "failing nodes"


def test_dead_nodes_are_bad() -> None:
    assert "nodes" in bad(material((node(1, Status.DEAD),)))


def test_what_the_last_cycle_needed_is_printed_with_its_remedy() -> None:
    check = named(after(exit_code=3, held=(held(), held("manage this machine", remedy="mount it"))))
    assert check["manage this machine"].remedy == "mount it"
    assert "add a node" not in check


def test_exit_code_3_without_a_known_remedy_is_still_told() -> None:
    assert bad(after(exit_code=3, held=())) == ["its end"]


def test_failed_actions_of_the_last_cycle_are_named() -> None:
    stop = StopNode(node=NodeId(1), shed=True, because=legacy("cpu"))
    view, wished = seen(colony(1)), settings()
    ended = cycle(
        view, decide(view, wished), wished, (outcome(stop, Result.FAILED, error="it hangs"),), exit_code=1
    )
    check = named(material(colony(1), of_cycle=ended))["its end"]
    assert (check.ok, check.detail) == (False, "at least one action failed: stop antnode0001")


def paged(number: int, **figures: Any) -> Any:
    """A running node whose page says this."""
    return node(number, sees={"page": NodePage(**figures)})


def test_shunned_nodes_are_warned_of_whatever_the_policy_is() -> None:
    rates = ShunRates(last_day=31, last_hour=2)
    for policy in ("report", "recycle"):
        of = material((paged(1, shun_rates=rates),), wished=settings(shun_policy=policy))
        check = named(of)["antnode0001"]
        assert check.ok is None
        assert check.detail.startswith("WARNING: shunned 31 times within a day, 2 of them in the last hour")
        assert check.remedy is not None
    assert "antnode0001" not in named(material((paged(1, shun_rates=rates),), wished=settings(shun_limit=31)))
    crowd = tuple(paged(number, shun_rates=rates) for number in range(1, 14))
    assert named(material(crowd))["shunned nodes"].detail == "WARNING: 3 more nodes are shunned too often"


def test_a_full_counter_of_rewards_is_told() -> None:
    check = named(material((paged(1, rewards_attos=FULL_COUNTER_ATTOS),)))["antnode0001"]
    assert (check.ok, check.remedy) == (None, "wnm --force_action restart --service_name antnode0001")
    assert "antnode0001" not in named(material((paged(1, rewards_attos=FULL_COUNTER_ATTOS - 1),)))


CHECKS = (
    Check(kind=CheckKind.CRON, name="lock", ok=True, detail="free", remedy="never shown"),
    Check(kind=CheckKind.CRON, name="cron", ok=None, detail="no line\nfound \x1b[31m", remedy="add one"),
    Check(kind=CheckKind.CRON, name="node program", ok=False, detail="missing", remedy="put it there"),
)


def test_text_shows_remedies_only_where_they_help() -> None:
    assert text(CHECKS).splitlines() == [
        "ok    lock          free",
        "note  cron          no line found ?[31m",
        "                    remedy: add one",
        "BAD   node program  missing",
        "                    remedy: put it there",
        "",
        "1 of 3 checks need you",
    ]


def test_all_fine_is_said() -> None:
    assert text(CHECKS[:1]).splitlines()[-1] == "all 1 checks are fine"
    assert text(()) == "nothing was checked"


def test_json_holds_every_check() -> None:
    data = json.loads(write_json(payload(CHECKS, LATER)))
    assert (data["schema"], data["ok"], len(data["checks"])) == (1, False, 3)
    assert data["checks"][1]["ok"] is None
    assert {each["kind"] for each in data["checks"]} == {"cron"}
    assert json.loads(write_json(payload(CHECKS[:2], LATER)))["ok"] is True
