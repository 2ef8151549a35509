"""Describes what an ant-node (0.22, 0.23) says of itself in its log, and what of that a healthy one shows."""

import re

from wnm.core.node_log import Proof, Sign
from wnm.node_kinds.log_health import LogWords, message

# Of the totals that every 300 seconds a line of each group tells: which of what a node does they count.
_COUNTERS = {
    "get_success_tx_count": "reads",
    "put_success_tx_count": "writes",
    **dict.fromkeys(
        ("quote_tx_count", "merkle_quote_tx_count", "quote_v2_tx_count", "merkle_quote_v2_tx_count"), "quotes"
    ),
    "fetch_response_rx_count": "replications",
    **dict.fromkeys(
        (
            f"{audit}_audit_fail_{how}"
            for audit in ("responsible", "subtree")
            for how in ("timeout", "malformed", "digest_mismatch", "key_absent", "rejected")
        ),
        "audits_failed",
    ),
    **dict.fromkeys(("completed_payments_err_count", "merkle_payment_err_count"), "chain_errors"),
    **dict.fromkeys(("completed_payments_ok_count", "merkle_payment_ok_count"), "payments_checked"),
}
SIGNS = (
    Sign(
        proof=Proof.STARTED,
        where='the line "Node running, waiting for shutdown signal" in its log',
        patience_seconds=180,  # dialling its first peers may take 25 s each, four at a time
    ),
    Sign(
        proof=Proof.NETWORK,
        where='"connected to N peers" or "Saved N close group peers" in its log',
        patience_seconds=180,
    ),
    Sign(
        proof=Proof.REPLICATION,
        where='the line "Replication engine started" in its log',
        patience_seconds=180,
    ),
)

WORDS = LogWords(
    started=message(r'ant-node starting\b(?:.{0,200}? version="?(?P<version>[^"\s]+))?'),
    listens=message(r"(?:P2P node started|Node is running on port)\b"),
    # The table of peers it is connected to is not told; who it saved as neighbours every ten minutes is.
    peers=re.compile(
        r"\b(?:connected[ _]peers=|Bootstrap complete: connected to |Saved (?=[0-9]{1,9} close group))"
        r"(?P<peers>[0-9]{1,9})\b"
    ),
    stored=message(r"Stored chunk [0-9a-f]"),
    refuses=re.compile(r"\bInsufficient disk space\b"),
    # A node that may not replace its program says so in such words every hour, and is well.
    fatal=message(r"(?P<why>CRITICAL: (?!Replacement failed).*)"),
    ready=message(r"Node running, waiting for shutdown signal\b"),
    replicates=message(r"Replication engine started\b"),
    crippled=message(r"Failed to initialize replication engine\b"),
    stopping=message(r"(?:Received SIG(?:TERM|INT)\b|Goodbye!)"),
    upgraded=message(r"Successfully upgraded to version (?P<upgraded>[^\s!]{1,64})"),
    identity=message(r"Node identity resolved peer_id=(?P<peer_id>[0-9a-f]{64})\b"),
    second_port=message(r"ADR-0015 WebRTC Direct listening bind=[^\s]{1,64}:(?P<port>[0-9]{1,5})\b"),
    own=message(r"ant_node(?:::[a-z_:]{1,100})?:"),
    # An upgrade that its folder forbids, and what every node meets that others cannot reach: all well.
    harmless=re.compile(
        r"Error during upgrade process|CRITICAL: Replacement failed|relay acquisition"
        r"|acquisition failed, clearing canary|dial failed for all|identity MISMATCH"
        r"|connect_happy_eyeballs failed|Connection attempt failed|Neighbor-sync response dropped"
    ),
    summary=message(r"[A-Za-z -]{1,60} summary \(cumulative\)"),
    counters=_COUNTERS,
)
