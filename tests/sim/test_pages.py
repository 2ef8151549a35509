"""The simulated pages have the size and the grammar of real ones."""

import re

import pytest

from wnm_sim.misbehave import Behaviour
from wnm_sim.pages import HIGHEST_REWARD_ATTOS, NEWBORN, History, Vitals, page
from wnm_sim.programs import peer_id

SAMPLE = re.compile(r'([a-z0-9_]+)(\{([a-z_]+="[^"\n]*",?)+\})? (-?[0-9.e+-]+)')
WANTED = (
    *("ant_node_uptime", "ant_node_current_reward_wallet_balance", "ant_networking_records_stored"),
    *("ant_networking_relevant_records", "ant_networking_max_records", "ant_networking_live_time"),
    *("ant_networking_received_payment_count", "ant_networking_connected_peers"),
    *("ant_networking_open_connections", "ant_networking_peers_in_routing_table"),
    *("ant_networking_estimated_network_size", "ant_networking_shunned_count_total"),
    *("ant_networking_shunned_by_close_group", "ant_networking_bad_peers_count_total"),
    *("ant_networking_process_memory_used_mb", "ant_networking_process_cpu_usage_percentage"),
    *("ant_networking_relay_reservation_health", "libp2p_kad_query_result_get_record_ok_total"),
)


def _seen(
    uptime_seconds: int, seed: int = 7, earlier: History = NEWBORN, shunned_per_hour: float = 0
) -> Vitals:
    return Vitals(
        seed=seed,
        version="0.4.17",
        peer_id="12D3KooWexample",
        uptime_seconds=uptime_seconds,
        records=9,
        memory_megabytes=97.8125,
        cpu_percent=0.04,
        earlier=earlier,
        ordered=Behaviour(shunned_per_hour=shunned_per_hour),
    )


@pytest.mark.parametrize("path", ["/metrics", "/metrics_extended", "/metadata"])
@pytest.mark.parametrize("uptime_seconds", [0, 1, 3600, 90 * 86400])
def test_every_line_follows_the_grammar(path: str, uptime_seconds: int) -> None:
    text = page(path, _seen(uptime_seconds))
    assert text is not None
    *lines, end = text.splitlines()
    assert end == "# EOF"
    types = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))
    for line in lines:
        if not line.startswith("# "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            float(match[4])
            assert any(match[1].startswith(name) for name in types), line


@pytest.mark.parametrize("uptime_seconds", [0, 600, 90 * 86400])
def test_the_size_is_that_of_a_real_page(uptime_seconds: int) -> None:
    text = page("/metrics", _seen(uptime_seconds)) or ""
    assert 40_000 <= len(text) <= 46_000
    assert 480 <= len(text.splitlines()) <= 500


def test_every_figure_that_a_manager_reads_is_there() -> None:
    names = {line.split()[0] for line in (page("/metrics", _seen(60)) or "").splitlines()}
    assert set(WANTED) <= names


def test_accepted_records_come_in_several_series() -> None:
    text = page("/metrics", _seen(600)) or ""
    assert text.count("ant_node_put_record_ok_total{record_type=") == 4
    assert 'libp2p_bandwidth_bytes_total{protocols="/ip4/udp/quic-v1/p2p",direction="Inbound"} ' in text


def test_buckets_rise_to_the_number_of_observations() -> None:
    lines = (page("/metrics", _seen(5000)) or "").splitlines()
    counts: list[int] = []
    for line in lines:
        if "_bucket{le=" in line:
            counts.append(int(line.split()[-1]))
            assert counts == sorted(counts), line
        else:
            counts = []
        if 'le="+Inf"' in line:
            counts = []


def test_rewards_rise_and_stop_at_the_greatest_number_that_fits() -> None:
    assert _seen(0).rewards_attos == 0 < _seen(60).rewards_attos < _seen(600).rewards_attos
    assert _seen(10**9).rewards_attos == HIGHEST_REWARD_ATTOS


def test_shuns_are_counted_within_their_time_frame() -> None:
    text = page("/metrics_extended", _seen(2 * 86_400, shunned_per_hour=3))
    assert text is not None
    assert re.findall(r'across_time_frames\{time_frame="(\w+)"\} (\d+)', text) == [
        ("LastTenMinutes", "0"),
        ("LastHour", "3"),
        ("LastSixHours", "18"),
        ("LastDay", "72"),
        ("LastWeek", "144"),
        ("Indefinite", "144"),
    ]


def test_payments_and_age_go_on_after_a_restart_but_rewards_do_not() -> None:
    seen = _seen(0, earlier=History(payments=50, lived_seconds=7200))
    assert (*seen.history, seen.rewards_attos) == (50, 7200, 0)
    assert "ant_networking_live_time 2\n" in (page("/metrics", seen) or "")


def test_nodes_differ_and_always_have_peers() -> None:
    assert page("/metrics", _seen(60, seed=1)) != page("/metrics", _seen(60, seed=2))
    assert all(_seen(age, seed).connected_peers > 0 for age in range(90) for seed in range(40))


def test_there_is_no_other_page() -> None:
    assert page("/", _seen(1)) is None


def test_a_peer_id_follows_from_the_key() -> None:
    names = {peer_id(number.to_bytes(32, "big")) for number in range(200)}
    assert len(names) == 200
    assert all(re.fullmatch("12D3KooW[1-9A-HJ-NP-Za-km-z]{44}", name) for name in names)
