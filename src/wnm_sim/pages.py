"""The three metrics pages of a node as texts: /metrics, /metrics_extended and /metadata."""

from wnm_sim import swarm_page
from wnm_sim.exposition import counter, document, gauge, histogram, info, labels
from wnm_sim.vitals import MAX_RECORDS, Vitals

_TIME_FRAMES: dict[str, float] = {
    "LastTenMinutes": 600,
    "LastHour": 3600,
    "LastSixHours": 21_600,
    "LastDay": 86_400,
    "LastWeek": 604_800,
    "Indefinite": float("inf"),
}
"""Seconds that each of them looks back."""
_RECORD_KINDS = ("Chunk", "GraphEntry", "Pointer", "Scratchpad")


def page(path: str, seen: Vitals) -> str | None:
    """The text of the page at this path, None where there is none."""
    writer = {
        "/metrics": metrics_page,
        "/metrics_extended": extended_page,
        "/metadata": metadata_page,
    }.get(path)
    return writer(seen) if writer else None


def metrics_page(seen: Vitals) -> str:
    """The page `/metrics`: about 550 lines and 47 KB of OpenMetrics text."""
    return document(*_metrics_families(seen))


def extended_page(seen: Vitals) -> str:
    """The page `/metrics_extended`: all of `/metrics` and the shuns by time frame."""
    return document(*_metrics_families(seen), _shuns_by_time_frame(seen))


def metadata_page(seen: Vitals) -> str:
    """The page `/metadata`: versions and peer id as labels of info metrics."""
    return document(
        info(
            "ant_node_antnode_version",
            "Version of this node program.",
            "antnode_version",
            seen.version,
        ),
        info("ant_node_antnode_branch", "Branch it was built from.", "antnode_branch", "stable"),
        info("ant_networking_peer_id", "Name of this peer in the network.", "peer_id", seen.peer_id),
        info(
            "ant_networking_identify_protocol_str",
            "Network that this node belongs to.",
            "identify_protocol_str",
            "ant/1.0/1",
        ),
        info(
            "ant_networking_min_node_version",
            "Peers below this version are disconnected.",
            "min_node_version",
            seen.min_node_version,
        ),
    )


def _metrics_families(seen: Vitals) -> list[list[str]]:
    return [
        _node(seen),
        swarm_page.bandwidth(seen),
        swarm_page.identify(seen),
        swarm_page.queries(seen),
        swarm_page.routing(seen),
        swarm_page.swarm(seen),
        swarm_page.connections(seen),
        _peers(seen),
        _reputation(seen),
        _process(seen),
        _store(seen),
    ]


def _node(seen: Vitals) -> list[str]:
    age = seen.uptime_seconds
    puts = [
        (labels(record_type=kind), (age + seen.seed) // (10 * (place + 1)))
        for place, kind in enumerate(_RECORD_KINDS)
    ]
    rejected = [(labels(error_type="PaymentVerificationFailed"), age // 500)]
    name = "ant_node"
    return [
        *counter(f"{name}_put_record_ok", "Records accepted, by kind.", puts),
        *counter(f"{name}_put_record_err", "Records refused.", age // 500),
        *counter(f"{name}_put_record_err_v2", "Records refused, by reason.", rejected),
        *counter(f"{name}_replication_triggered", "Replications begun.", age // 3),
        *histogram(
            f"{name}_replication_keys_to_fetch",
            "Keys to fetch in one replication.",
            (1.0, 5.0, 25.0, 100.0),
            [((), seen.records, 1.0)],
        ),
        *counter(
            f"{name}_peer_added_to_routing_table",
            "Peers that entered the routing table.",
            _routing_peers(seen),
        ),
        *counter(
            f"{name}_peer_removed_from_routing_table",
            "Peers that left the routing table.",
            age // 600,
        ),
        *gauge(
            f"{name}_current_reward_wallet_balance",
            "Attos credited to this process since it started.",
            seen.rewards_attos,
        ),
        *gauge(f"{name}_total_forwarded_rewards", "Attos passed on.", 0),
        *gauge(f"{name}_uptime", "Seconds since this process started.", age),
    ]


def _peers(seen: Vitals) -> list[str]:
    name = "ant_networking"
    size = 2_000_000 + seen.seed % 90_000
    versions = (("2025.11.1.1", 40), ("2025.12.2.1", 61), ("2026.2.3.2", 80 + seen.seed % 40))
    checks = (
        ("Accepted", 3 + seen.uptime_seconds),
        ("Rejected", seen.uptime_seconds // 90),
        ("Legacy", 0),
        ("ParseError", 0),
    )
    return [
        *gauge(f"{name}_connected_peers", "Peers connected now.", seen.connected_peers),
        *gauge(f"{name}_connected_relay_clients", "Peers that use this node as relay.", 0),
        *gauge(f"{name}_estimated_network_size", "Nodes that the network seems to have.", size),
        *gauge(f"{name}_relay_peers_percentage", "Share of relayed peers in the routing table.", 0.0),
        *gauge(f"{name}_open_connections", "Connections open now.", seen.connected_peers),
        *gauge(f"{name}_peers_in_routing_table", "Peers in the routing table.", _routing_peers(seen)),
        *gauge(f"{name}_relay_peers_in_routing_table", "Relayed peers in the routing table.", 0),
        *gauge(f"{name}_relay_reservation_health", "Health of relay reservations, 0 to 1.", 1.0),
        *counter(f"{name}_upnp_events", "Events of the router's port mapping."),
        *counter(
            f"{name}_relay_client_events",
            "Events of the relay client.",
            [(labels(event="ReservationReqAccepted"), 2)],
        ),
        *gauge(
            f"{name}_node_versions",
            "Peers seen with each package version.",
            [(labels(version=text), count) for text, count in versions],
        ),
        *counter(
            f"{name}_version_check_result",
            "Peers checked for their version, by result.",
            [(labels(peer_type="Node", result=text), count) for text, count in checks],
        ),
    ]


def _reputation(seen: Vitals) -> list[str]:
    name = "ant_networking"
    shunned = seen.shunned_by_close_group
    times = _shuns_within(seen, _TIME_FRAMES["Indefinite"])
    return [
        *counter(f"{name}_shunned_count", "Times a peer shunned this node.", times),
        *counter(f"{name}_bad_peers_count", "Peers that this node blocked.", seen.uptime_seconds // 700),
        *gauge(f"{name}_shunned_by_close_group", "Near peers that shun this node.", shunned),
        *gauge(f"{name}_shunned_by_old_close_group", "Peers, once near, that shun this node.", 0),
    ]


def _process(seen: Vitals) -> list[str]:
    name = "ant_networking_process"
    return [
        *gauge(f"{name}_memory_used_mb", "Memory of this process in megabytes.", seen.memory_megabytes),
        *gauge(
            f"{name}_cpu_usage_percentage",
            "CPU of this process, 0 to 100 of all cores.",
            seen.cpu_percent,
        ),
    ]


def _store(seen: Vitals) -> list[str]:
    name = "ant_networking"
    return [
        *gauge(f"{name}_records_stored", "Records on this disk.", seen.records),
        *gauge(f"{name}_relevant_records", "Records that this node answers for.", seen.records // 2),
        *gauge(f"{name}_max_records", "Most records that fit.", MAX_RECORDS),
        *gauge(f"{name}_received_payment_count", "Payments received.", seen.payments),
        *gauge(f"{name}_live_time", "Hours that this node has lived.", seen.lived_seconds // 3600),
    ]


def _shuns_by_time_frame(seen: Vitals) -> list[str]:
    return gauge(
        "ant_networking_shunned_count_across_time_frames",
        "Times a peer shunned this node, by how long ago.",
        [(labels(time_frame=frame), _shuns_within(seen, seconds)) for frame, seconds in _TIME_FRAMES.items()],
    )


def _shuns_within(seen: Vitals, seconds: float) -> int:
    """Shuns since so long ago: evenly spread over the life of this process, and those of its near peers just now."""
    spread = seen.shunned_per_hour * min(seen.uptime_seconds, seconds) / 3600
    return seen.shunned_by_close_group + int(spread)


def _routing_peers(seen: Vitals) -> int:
    return min(20 + 3 * seen.uptime_seconds, 240 + seen.seed % 60)
