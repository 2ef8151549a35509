"""What settings have to be together."""

import pytest
from tests.settings.hosts import given, resolved

from wnm.core.errors import BadInput

PERCENT = ["cpu", "mem", "hd"]
RATES = ["netio_read", "netio_write", "hdio_read", "hdio_write"]


@pytest.mark.parametrize("what", PERCENT)
def test_less_than_has_to_be_below_remove(what: str) -> None:
    resolved(given(**{f"{what}_less_than": "79.9"}))
    for bad in ({f"{what}_less_than": "80"}, {f"{what}_remove": "70"}, {f"{what}_remove": "0"}):
        with pytest.raises(BadInput, match=f"{what}_less_than .* has to be below {what}_remove") as caught:
            resolved(given(**bad))
        assert "(command line)" in str(caught.value)
        assert "(default)" in str(caught.value)


@pytest.mark.parametrize("what", RATES)
def test_rates_are_ordered_unless_one_of_them_is_off(what: str) -> None:
    low, high = f"{what}_less_than", f"{what}_remove"
    for low_text, high_text in (("0", "0"), ("5M", "0"), ("0", "5M"), ("5M", "6M")):
        resolved(given(**{low: low_text, high: high_text}))
    for text in ("5M", "4M"):
        with pytest.raises(BadInput, match=f"{low} 5000000 .* below {high}"):
            resolved(given(**{low: "5M", high: text}))


def test_the_desired_load_is_below_the_most_that_is_allowed() -> None:
    resolved(given(desired_load_average="3.9"))
    with pytest.raises(BadInput, match=r"desired_load_average 4 .*max_load_average_allowed 4 .default."):
        resolved(given(desired_load_average="4"))


def test_one_poll_fits_into_a_cycle() -> None:
    with pytest.raises(BadInput, match="poll_timeout"):
        resolved(given(cycle_timeout="2"))


@pytest.mark.parametrize(("port_start", "cap"), [("65", "535"), ("55", "9999"), ("64", "1535")])
def test_ports_up_to_65535_fit(port_start: str, cap: str) -> None:
    resolved(given(port_start=port_start, node_cap=cap))


@pytest.mark.parametrize(("name", "cap"), [("port_start", "536"), ("metrics_port_start", "536")])
def test_ports_above_65535_do_not(name: str, cap: str) -> None:
    with pytest.raises(BadInput, match=f"{name} 65 .* no room for node_cap 536 .*65536"):
        resolved(given(**{name: "65", "node_cap": cap}))


def test_the_two_ranges_of_ports_may_touch_but_not_overlap() -> None:
    resolved(given(port_start="14", node_cap="1000"))
    resolved(given(port_start="12", node_cap="1000"))
    for port_start, cap in (("14", "1001"), ("12", "1001"), ("13", "1"), ("13", "0")):
        with pytest.raises(BadInput, match="overlap"):
            resolved(given(port_start=port_start, node_cap=cap))
