"""Describes ant-node, the node program of Autonomi's second network."""

import re

from wnm.core.node import Node
from wnm.core.node_log import Proof, Sign
from wnm.core.release import tidy_version
from wnm.node_kinds.kind import NodeKind, options_in
from wnm.node_kinds.log_health import LogWords, message

NAME = "ant-node"
_LONGEST_OUTPUT = 4096
_BANNER = re.compile(r"^ant-node v?(\S+)(?: \([^\r\n()]*\))?[ \t\r]*$", re.MULTILINE)
_RESERVED = frozenset(
    {"--root-dir", "--port", "-p", "--metrics-port", "--rewards-address", "--enable-logging", "--log-dir",
     "--config", "-c"}
)  # fmt: skip
_WITH_VALUE = frozenset(
    {"--root-dir", "--port", "-p", "--bootstrap", "-b", "--upgrade-channel", "--cache-capacity",
     "--rewards-address", "--evm-network", "--evm-rpc-url", "--evm-payment-token", "--evm-payment-vault",
     "--metrics-port", "--log-level", "--log-format", "--log-dir", "--log-max-files", "--network-mode",
     "--config", "-c"}
)  # fmt: skip
_NETWORK = ("--evm-network", "arbitrum-one")
_CHANNEL = ("--upgrade-channel", "stable")
_STOP_ON_UPGRADE = "--stop-on-upgrade"
# A file a day, of no limited size.
_MOST_LOG_FILES = "3"


def parse_version_output(text: str) -> tuple[str, str] | None:
    """(kind, version) from what `--version` printed: one line."""
    found = _BANNER.search(text[:_LONGEST_OUTPUT])
    version = tidy_version(found[1]) if found else None
    return None if version is None else (NAME, version)


def command_line(node: Node, *, supervised: bool = False) -> tuple[str, ...]:
    """Program and arguments. There is no subcommand: all that the operator gives comes last."""
    given = options_in(node.start_args)
    return (
        node.program,
        *("--root-dir", node.root_dir),
        *("--port", str(node.port)),
        # Nothing listens there in any release so far, but the default is the same port for every node.
        *("--metrics-port", str(node.metrics_port)),
        *("--rewards-address", node.wallet),
        *(() if _names(node, given, ("--evm-network", "--evm-rpc-url")) else _NETWORK),
        *(() if _names(node, given, ("--upgrade-channel",)) else _CHANNEL),
        *((_STOP_ON_UPGRADE,) if supervised and _STOP_ON_UPGRADE not in given else ()),
        *node.start_args,
    )


def _names(node: Node, given: frozenset[str], options: tuple[str, ...]) -> bool:
    """Whether the node's own arguments or environment give one of these options."""
    variables = {"ANT_" + option.removeprefix("--").replace("-", "_").upper() for option in options}
    return not given.isdisjoint(options) or any(name in variables for name, _ in node.environment)


def environment(node: Node) -> tuple[tuple[str, str], ...]:
    """Return the node's decided environment, and the variables that switch its log on.

    By option it would be a risk: releases that were built without logging end with code 2 when they are given
    one of those options, and ignore the variables.
    """
    logging = (
        ("ANT_ENABLE_LOGGING", "true"),
        ("ANT_LOG_DIR", node.log_dir),
        ("ANT_LOG_MAX_FILES", _MOST_LOG_FILES),
    )
    decided = {name for name, _ in node.environment}
    return (*(pair for pair in logging if pair[0] not in decided), *node.environment)


def fingerprint(root_dir: str) -> tuple[str, str]:
    """Two neighbouring arguments that no other process on the machine has."""
    return ("--root-dir", root_dir)


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
_SIGNS = (
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

_LOG_WORDS = LogWords(
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

ANT_NODE = NodeKind(
    name=NAME,
    program_name=NAME,
    companion_files=("bootstrap_peers.toml",),
    identity_file_name="node_identity.key",
    failure_file=None,
    has_metrics=False,
    store_files=("chunks.mdb/data.mdb", "chunks"),
    log_files="ant-node.*.log",
    reserved_options=_RESERVED,
    options_with_value=_WITH_VALUE,
    parse_version_output=parse_version_output,
    command_line=command_line,
    environment=environment,
    log=_LOG_WORDS,
    signs=_SIGNS,
    fingerprint=fingerprint,
)
