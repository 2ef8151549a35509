"""Lists the kinds of node program that wnm can run: antnode of Autonomi's first network, ant-node of its second."""

import re
from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType

from wnm.core.errors import Permanent
from wnm.core.node import Node
from wnm.core.release import is_older
from wnm.node_kinds.ant_node_log import SIGNS, WORDS
from wnm.node_kinds.kind import NodeKind, end_of_options, options_in
from wnm.node_kinds.log_health import LogWords, message

_PEERS = re.compile(r"\bconnected[ _]peers=(?P<peers>[0-9]{1,9})\b")
_STOP_ON_UPGRADE = "--stop-on-upgrade"

_ANTNODE_WITH_VALUE = frozenset(
    {"--root-dir", "--port", "--ip", "--rewards-address", "--log-output-dest", "--log-format", "--max-log-files",
     "--max-archived-log-files", "--metrics-server-port", "--network-id", "--peer", "--network-contacts-url",
     "--bootstrap-cache-dir", "--rpc"}
)  # fmt: skip
# A file holds 20 MB, an archived one about a tenth of that: at most some 70 MB a node.
_LOG_LIMITS = (("--max-log-files", "3"), ("--max-archived-log-files", "3"))
# Somewhat older ones know the flag too; they are below what the network lets in.
_STOPS_ON_UPGRADE_SINCE = "0.4.15"


def _antnode_command(node: Node, *, supervised: bool = False) -> tuple[str, ...]:
    """Program and arguments. The network is a subcommand of antnode, so it and its options come last.

    Permanent if the last of the node's own arguments would take the network for its value.
    """
    end = end_of_options(node.start_args, _ANTNODE_WITH_VALUE)
    if end > len(node.start_args):
        raise Permanent(f"{node.name} cannot start: {node.start_args[-1]} in its arguments needs a value")
    given = options_in(node.start_args)
    version = node.binary_version or "nightly "
    # Only where its program surely knows how to stop after it replaced itself: an unknown flag would end it.
    can_stop = not version.startswith("nightly ") and not is_older(version, _STOPS_ON_UPGRADE_SINCE)
    names_network = end < len(node.start_args) or "EVM_NETWORK" in dict(node.environment)
    return (
        node.program,
        *("--root-dir", node.root_dir),
        *("--port", str(node.port)),
        *("--metrics-server-port", str(node.metrics_port)),
        *("--log-output-dest", node.log_dir),
        *[part for limit in _LOG_LIMITS if limit[0] not in given for part in limit],
        *(("--no-upnp",) if node.no_upnp and "--no-upnp" not in given else ()),
        *((_STOP_ON_UPGRADE,) if supervised and can_stop and _STOP_ON_UPGRADE not in given else ()),
        *("--rewards-address", node.wallet),
        *node.start_args,
        *(() if names_network else ("evm-arbitrum-one",)),
    )


def _ant_node_command(node: Node, *, supervised: bool = False) -> tuple[str, ...]:
    """Program and arguments. There is no subcommand: all that the operator gives comes last."""
    decided = {*options_in(node.start_args), *(name for name, _ in node.environment)}
    names_network = {"--evm-network", "--evm-rpc-url", "ANT_EVM_NETWORK", "ANT_EVM_RPC_URL"} & decided
    names_channel = {"--upgrade-channel", "ANT_UPGRADE_CHANNEL"} & decided
    return (
        node.program,
        *("--root-dir", node.root_dir),
        *("--port", str(node.port)),
        # Nothing listens there in any release so far, but the default is the same port for every node.
        *("--metrics-port", str(node.metrics_port)),
        *("--rewards-address", node.wallet),
        *(() if names_network else ("--evm-network", "arbitrum-one")),
        *(() if names_channel else ("--upgrade-channel", "stable")),
        *((_STOP_ON_UPGRADE,) if supervised and _STOP_ON_UPGRADE not in decided else ()),
        *node.start_args,
    )


def _ant_node_environment(node: Node) -> tuple[tuple[str, str], ...]:
    """Return the node's decided environment, and the variables that switch its log on.

    By option it would be a risk: releases that were built without logging end with code 2 when they are given
    one of those options, and ignore the variables.
    """
    # A file a day, of no limited size.
    logging = {"ANT_ENABLE_LOGGING": "true", "ANT_LOG_DIR": node.log_dir, "ANT_LOG_MAX_FILES": "3"}
    decided = {name for name, _ in node.environment}
    return (*(pair for pair in logging.items() if pair[0] not in decided), *node.environment)


ANTNODE = NodeKind(
    name="antnode",
    companion_files=(),
    identity_file_name="secret-key",
    failure_file="critical_failure.log",
    has_metrics=True,
    store_files=("record_store",),
    log_files="antnode.log",
    reserved_options=frozenset(
        {"--root-dir", "--port", "--metrics-server-port", "--enable-metrics-server", "--log-output-dest",
         "--rewards-address"}
    ),
    options_with_value=_ANTNODE_WITH_VALUE,
    banner=re.compile(r"^Autonomi Node (?:v|(?=-- Nightly Release ))([^\r\n]+)", re.MULTILINE),
    command_line=_antnode_command,
    environment=attrgetter("environment"),
    # Its pages tell all but the last; of the log only that line is sure to be worded so in every release.
    log_words=LogWords(
        started=message(r"Running antnode v(?P<version>[0-9]\S*)"),
        listens=message(r"Listening on\b"),
        peers=_PEERS,
        stored=message(r"Wrote record\b"),
        refuses=re.compile(r"\bNo space left on device\b"),
        fatal=message(r"Node terminated due to: (?P<why>.*)"),
    ),
)  # fmt: skip

ANT_NODE = NodeKind(
    name="ant-node",
    companion_files=("bootstrap_peers.toml",),
    identity_file_name="node_identity.key",
    failure_file=None,
    has_metrics=False,
    store_files=("chunks.mdb/data.mdb", "chunks"),
    log_files="ant-node.*.log",
    reserved_options=frozenset(
        {"--root-dir", "--port", "-p", "--metrics-port", "--rewards-address", "--enable-logging", "--log-dir",
         "--config", "-c"}
    ),
    options_with_value=frozenset(
        {"--root-dir", "--port", "-p", "--bootstrap", "-b", "--upgrade-channel", "--cache-capacity",
         "--rewards-address", "--evm-network", "--evm-rpc-url", "--evm-payment-token", "--evm-payment-vault",
         "--metrics-port", "--log-level", "--log-format", "--log-dir", "--log-max-files", "--network-mode",
         "--config", "-c"}
    ),
    banner=re.compile(r"^ant-node v?(\S+)(?: \([^\r\n()]*\))?[ \t\r]*$", re.MULTILINE),
    command_line=_ant_node_command,
    environment=_ant_node_environment,
    log_words=WORDS,
    signs=SIGNS,
)  # fmt: skip

KINDS: Mapping[str, NodeKind] = MappingProxyType({kind.name: kind for kind in (ANTNODE, ANT_NODE)})


def kind_of_version_output(text: str, kinds: Mapping[str, NodeKind] = KINDS) -> tuple[str, str] | None:
    """(kind, version) of the program that printed this when asked for its version; None if it is none of `kinds`."""
    return next(filter(None, (kind.parse_version_output(text) for kind in kinds.values())), None)
