"""The report of earnings: exact, sorted, and the same sums in every format."""

import csv
import io
import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import ALICE, BOB, NOW

from wnm.core.earnings import ATTOS_PER_ANT, EarningRecord
from wnm.core.errors import BadInput
from wnm.views.earnings import FORMATS, Records, only_of, render_earnings

TODAY = NOW.date()


def earning(
    attos: int, *, node: int = 1, days_ago: int | None = 0, wallet: str = ALICE, name: str | None = None
) -> EarningRecord:
    day = None if days_ago is None else TODAY - timedelta(days=days_ago)
    return EarningRecord(day=day, node=name or f"antnode{node:04d}", wallet=wallet, attos=attos)


SOME: Records = (
    earning(5 * 10**17, days_ago=9),
    earning(15 * 10**15, days_ago=1),
    earning(1, node=2, days_ago=1),
    earning(ATTOS_PER_ANT, node=3, wallet=BOB),
    earning(10**20, node=2, days_ago=None),
)


def as_json(records: Records) -> dict[str, object]:
    data: dict[str, object] = json.loads(render_earnings("json", records, NOW))
    return data


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("records", [(), SOME, SOME[4:]], ids=["none", "some", "only before wnm"])
def test_there_is_always_a_report(form: str, records: Records) -> None:
    text = render_earnings(form, records, NOW)
    assert text.strip()
    assert not text.endswith("\n")


def test_the_table_shows_seven_days_and_totals() -> None:
    yesterday = str(TODAY - timedelta(days=1))
    lines = render_earnings("text", SOME, NOW).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.split("  ", 1)[0] for line in lines[3:]] == ["7 days"] * 3 + ["ever", "before wnm"]
    assert [line.split()[-2:] for line in lines] == [
        ["wallet", "ANT"],
        [ALICE, "0.015000000000000001"],
        [BOB, "1"],
        [ALICE, "0.015000000000000001"],
        [BOB, "1"],
        ["all", "1.015000000000000001"],
        ["all", "1.515000000000000001"],
        ["all", "100"],
    ]
    assert [line.split()[0] for line in lines[1:3]] == [yesterday, str(TODAY)]


def test_json_has_days_wallets_and_nodes_with_amounts_as_texts() -> None:
    data = as_json(SOME)
    assert data["schema"] == 1
    assert data["generated_at"] == "2026-03-01T12:00:00Z"
    assert data["days"] == [
        {"day": "2026-02-20", "wallet": ALICE, "attos": "500000000000000000", "ant": "0.5"},
        {"day": "2026-02-28", "wallet": ALICE, "attos": "15000000000000001", "ant": "0.015000000000000001"},
        {"day": "2026-03-01", "wallet": BOB, "attos": "1000000000000000000", "ant": "1"},
    ]
    assert data["wallets"] == [
        {"wallet": ALICE, "attos": "515000000000000001", "ant": "0.515000000000000001"},
        {"wallet": BOB, "attos": "1000000000000000000", "ant": "1"},
    ]
    assert data["nodes"] == [
        {"name": "antnode0001", "wallet": ALICE, "attos": "515000000000000000", "ant": "0.515"},
        {"name": "antnode0002", "wallet": ALICE, "attos": "1", "ant": "0.000000000000000001"},
        {"name": "antnode0003", "wallet": BOB, "attos": "1000000000000000000", "ant": "1"},
    ]
    assert data["total"] == {"attos": "1515000000000000001", "ant": "1.515000000000000001"}
    assert data["before_wnm"] == [
        {"name": "antnode0002", "wallet": ALICE, "attos": "100000000000000000000", "ant": "100"}
    ]


def test_an_address_is_one_wallet_in_whatever_case_it_was_given() -> None:
    mixed = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
    small, large = mixed.lower(), f"0x{mixed[2:].upper()}"
    records = [earning(attos, wallet=wallet) for attos, wallet in ((1, small), (20, mixed), (300, large))]
    data = json.loads(render_earnings("json", records, NOW))
    assert data["wallets"] == [{"wallet": mixed, "attos": "321", "ant": "0.000000000000000321"}]
    assert [each["attos"] for each in data["nodes"]] == [each["attos"] for each in data["days"]] == ["321"]
    assert mixed in render_earnings("text", records, NOW)
    (line,) = csv.DictReader(io.StringIO(render_earnings("csv", records, NOW)))
    assert (line["wallet"], line["attos"]) == (mixed, "321")


def test_csv_has_a_line_for_each_record() -> None:
    assert render_earnings("csv", SOME[3:], NOW).splitlines() == [
        "day,node,wallet,attos,ant",
        f"2026-03-01,antnode0003,{BOB},1000000000000000000,1",
        f"before wnm,antnode0002,{ALICE},100000000000000000000,100",
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**30), st.integers(1, 4), st.integers(0, 20), st.sampled_from([ALICE, BOB])
        )
    )
)
def test_every_format_has_the_same_sum(rows: list[tuple[int, int, int, str]]) -> None:
    records = [earning(attos, node=node, days_ago=days, wallet=wallet) for attos, node, days, wallet in rows]
    total = sum(attos for attos, *_ in rows)
    data = json.loads(render_earnings("json", records, NOW))
    for part in ("days", "wallets", "nodes"):
        assert sum(int(each["attos"]) for each in data[part]) == total
    assert int(data["total"]["attos"]) == total
    lines = list(csv.DictReader(io.StringIO(render_earnings("csv", records, NOW))))
    assert sum(int(line["attos"]) for line in lines) == total
    assert [date.fromisoformat(line["day"]) for line in lines] == [each.day for each in records]


@given(st.text(max_size=30))
def test_no_name_breaks_a_line_of_the_csv_or_the_table(name: str) -> None:
    records = [earning(7, name=name or "x", wallet=name)]
    (line,) = csv.DictReader(io.StringIO(render_earnings("csv", records, NOW), newline=""))
    assert (line["node"], line["wallet"]) == (name or "x", name)
    assert all(each.isprintable() for each in render_earnings("text", records, NOW).split("\n"))


def test_a_format_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadInput, match="earnings does not come as 'env': use text or json or csv"):
        render_earnings("env", SOME, NOW)


def test_nodes_can_be_named_even_when_they_are_gone() -> None:
    assert [each.attos for each in only_of(SOME, ["antnode0003"])] == [ATTOS_PER_ANT]
    with pytest.raises(BadInput, match="did you mean antnode0003"):
        only_of(SOME, ["antnode003"])
