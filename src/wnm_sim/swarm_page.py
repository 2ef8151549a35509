"""The peer-to-peer half of a node's metrics page: bandwidth, identify, queries and connections."""

from wnm_sim.exposition import (
    Labels,
    Sample,
    counter,
    exponential,
    gauge,
    histogram,
    labels,
)
from wnm_sim.vitals import Vitals

QUIC = "/ip4/udp/quic-v1"
QUIC_PEER = "/ip4/udp/quic-v1/p2p"
RELAYED = "/ip4/udp/quic-v1/p2p/p2p-circuit/p2p"
PEER = "/p2p"
_POWERS_OF_TWO = exponential(1.0, 2.0, 10)
_QUERY_SECONDS = exponential(0.1, 2.0, 10)
_DIAL_SECONDS = exponential(0.01, 1.5, 20)
_ALIVE_SECONDS = exponential(0.01, 3.0, 20)


def bandwidth(seen: Vitals) -> list[str]:
    """Bytes by protocol and direction, growing by a few kilobytes each second."""
    base = 100_000 + seen.seed % 50_000
    amounts = (
        (QUIC, "Inbound", 700 + seen.uptime_seconds),
        (QUIC_PEER, "Inbound", base * 4 + 4_800 * seen.uptime_seconds),
        (QUIC, "Outbound", 1_400 + seen.uptime_seconds),
        (QUIC_PEER, "Outbound", base + 1_900 * seen.uptime_seconds),
    )
    samples = [(labels(protocols=p, direction=d), count) for p, d, count in amounts]
    meaning = "Bytes moved, by transport and direction."
    return counter("libp2p_bandwidth_bytes", meaning, samples, unit="bytes")


def identify(seen: Vitals) -> list[str]:
    """The exchange of identities with other peers."""
    age, peers = seen.uptime_seconds, seen.connected_peers
    protocols = (
        "/libp2p/circuit/relay/0.2.0/hop",
        "/libp2p/circuit/relay/0.2.0/stop",
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
        "unrecognized",
    )
    name = "libp2p_identify"
    return [
        *counter(f"{name}_errors", "Identifications that failed.", age // 6),
        *counter(f"{name}_pushed", "Own identity pushed to a peer.", age // 5),
        *counter(f"{name}_received", "Identities received.", 20 + age * 2),
        *counter(f"{name}_sent", "Identities sent when asked.", 21 + age * 2),
        *gauge(
            f"{name}_remote_protocols",
            "Connected peers that speak a protocol; unrecognized counts peers with others.",
            [(labels(protocol=text), peers) for text in protocols],
        ),
        *gauge(
            f"{name}_remote_listen_addresses",
            "Connected peers that offer an address of this kind.",
            [(labels(listen_address=QUIC_PEER), peers)],
        ),
        *gauge(
            f"{name}_local_observed_addresses",
            "Connected peers that see this node at an address of this kind.",
            [(labels(observed_address=QUIC), peers)],
        ),
    ]


def queries(seen: Vitals) -> list[str]:
    """Kademlia queries: outcomes, sizes and durations."""
    age = seen.uptime_seconds
    name = "libp2p_kad_query_result"
    closest, bootstrap = labels(type="GetClosestPeers"), labels(type="Bootstrap")
    return [
        *counter(f"{name}_get_record_ok", "Records found by queries.", age // 3),
        *counter(f"{name}_get_record_error", "Record queries that failed."),
        *_sizes(f"{name}_get_closest_peers_ok", "Peers found by a query.", ((), age // 60, 20.0)),
        *counter(
            f"{name}_get_closest_peers_error",
            "Peer queries that failed.",
            [(labels(error="Timeout"), age // 60)],
        ),
        *_sizes(f"{name}_get_providers_ok", "Providers found by a query.", ((), 0, 0.0)),
        *counter(f"{name}_get_providers_error", "Provider queries that failed."),
        *_sizes(
            f"{name}_num_requests",
            "Requests sent by a query.",
            (closest, 1 + age // 30, 75.0),
            (bootstrap, 1 + age // 50, 61.5),
        ),
        *_sizes(
            f"{name}_num_success",
            "Requests of a query that were answered.",
            (closest, 1 + age // 30, 35.5),
            (bootstrap, 1 + age // 50, 29.0),
        ),
        *_sizes(
            f"{name}_num_failure",
            "Requests of a query that failed.",
            (bootstrap, 1 + age // 50, 21.5),
            (closest, 1 + age // 30, 24.0),
        ),
        *histogram(
            f"{name}_duration_seconds",
            "Time that a query took.",
            _QUERY_SECONDS,
            [(closest, 1 + age // 30, 8.75), (bootstrap, 1 + age // 50, 10.25)],
            unit="seconds",
        ),
    ]


def routing(seen: Vitals) -> list[str]:
    """Peers added to and evicted from each bucket of the routing table."""
    width = 3 + seen.uptime_seconds // 10
    added: list[Sample] = [
        (labels(action="Added", bucket=str(bucket)), min(20, width * (bucket - 229) // 8))
        for bucket in range(231, 256)
    ]
    evicted: Sample = (labels(action="Evicted", bucket="251"), seen.uptime_seconds // 300)
    return [
        *counter(
            "libp2p_kad_routing_updated",
            "Changes of the routing table, by bucket and kind of change.",
            [*added, evicted],
        ),
        *counter(
            "libp2p_kad_inbound_requests",
            "Requests that came in.",
            [(labels(request="FindNode"), 2 + seen.uptime_seconds // 13)],
        ),
        *counter("libp2p_relay_events", "Events of the relay."),
    ]


def swarm(seen: Vitals) -> list[str]:
    """Connections and listeners: how many, since when, and why they ended."""
    age = seen.uptime_seconds
    name = "libp2p_swarm"
    return [
        *_by_protocol(
            f"{name}_connections_incoming",
            "Connections that came in.",
            (PEER, age // 10),
            (QUIC, 1 + age // 400),
        ),
        *counter(
            f"{name}_connections_incoming_error",
            "Connections that came in and failed.",
            [
                (labels(error="TransportErrorOther", protocols=PEER), age // 25),
                (labels(error="TransportErrorOther", protocols=QUIC), age // 1200),
            ],
        ),
        *_by_protocol(f"{name}_new_listen_addr", "Addresses listened on.", (RELAYED, 2), (QUIC, 4)),
        *_by_protocol(f"{name}_expired_listen_addr", "Addresses no longer listened on."),
        *_by_protocol(
            f"{name}_external_addr_candidates",
            "Possible addresses seen from outside.",
            (QUIC, 10 + age * 2),
        ),
        *_by_protocol(
            f"{name}_external_addr_confirmed",
            "Outside addresses that were confirmed.",
            (RELAYED, 2),
        ),
        *_by_protocol(f"{name}_external_addr_expired", "Outside addresses that ran out."),
        *counter(f"{name}_listener_closed", "Listeners that were closed."),
        *counter(f"{name}_listener_error", "Errors of listeners.", age // 1000),
        *counter(f"{name}_dial_attempt", "Connections that were tried.", 25 + age * 3),
        *counter(
            f"{name}_outgoing_connection_error",
            "Connections that were tried and failed.",
            [
                (labels(peer="Known", error="WrongPeerId"), age),
                (labels(peer="Known", error="TransportOther"), age // 4),
            ],
        ),
    ]


def connections(seen: Vitals) -> list[str]:
    """How long connections took to make and how long they lived."""
    age = seen.uptime_seconds
    made = (
        (_dialer(), 20 + age * 2, 0.54),
        (_listener(QUIC), 2, 0.19),
        (_listener(PEER), 1 + age // 18, 0.97),
    )
    idle, broken = labels(cause="KeepAliveTimeout"), labels(cause="Io")
    ended = (
        ((*idle, *_dialer()), 10 + age * 2, 11.7),
        ((*broken, *_dialer()), 2 + age // 2, 8.6),
        ((*idle, *_listener(QUIC)), 2, 10.8),
        ((*idle, *_listener(PEER)), 1 + age // 20, 11.2),
        ((*broken, *_listener(PEER)), 1 + age // 180, 12.5),
    )
    name = "libp2p_swarm_connections"
    return [
        *counter(
            f"{name}_established",
            "Connections that were made, by side and transport.",
            [(pairs, count) for pairs, count, _ in made],
        ),
        *histogram(
            f"{name}_establishment_duration",
            "Time that this side took to make a connection.",
            _DIAL_SECONDS,
            made,
        ),
        *histogram(
            f"{name}_duration_seconds",
            "Time that a connection lived.",
            _ALIVE_SECONDS,
            ended,
            unit="seconds",
        ),
    ]


def _sizes(name: str, meaning: str, *series: tuple[Labels, int, float]) -> list[str]:
    return histogram(name, meaning, _POWERS_OF_TWO, series)


def _by_protocol(name: str, meaning: str, *amounts: tuple[str, int]) -> list[str]:
    return counter(name, meaning, [(labels(protocols=text), n) for text, n in amounts])


def _dialer() -> Labels:
    return labels(role="Dialer", protocols=QUIC_PEER)


def _listener(protocols: str) -> Labels:
    return labels(role="Listener", protocols=protocols)
