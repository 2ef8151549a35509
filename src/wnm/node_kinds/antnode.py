"""Describes antnode, the node program of Autonomi's first network."""

import re

from wnm.core.errors import Permanent
from wnm.core.node import Node
from wnm.core.release import is_older, tidy_version
from wnm.node_kinds.kind import NodeKind, first_subcommand, lacks_value, options_in
from wnm.node_kinds.log_health import LogWords, message

NAME = "antnode"
_LONGEST_OUTPUT = 4096
_BANNER = re.compile(r"^Autonomi Node (?:v|(?=-- Nightly Release ))([^\r\n]+)", re.MULTILINE)
_RESERVED = frozenset(
    {"--root-dir", "--port", "--metrics-server-port", "--enable-metrics-server", "--log-output-dest",
     "--rewards-address"}
)  # fmt: skip
# A file holds 20 MB, an archived one about a tenth of that: at most some 70 MB a node.
_LOG_LIMITS = (("--max-log-files", "3"), ("--max-archived-log-files", "3"))
_DEFAULT_NETWORK = "evm-arbitrum-one"
_WITH_VALUE = frozenset(
    {"--root-dir", "--port", "--ip", "--rewards-address", "--log-output-dest", "--log-format", "--max-log-files",
     "--max-archived-log-files", "--metrics-server-port", "--network-id", "--peer", "--network-contacts-url",
     "--bootstrap-cache-dir", "--rpc"}
)  # fmt: skip
_STOP_ON_UPGRADE = "--stop-on-upgrade"
# Somewhat older ones know it too; they are below what the network lets in.
_STOPS_ON_UPGRADE_SINCE = "0.4.15"


def parse_version_output(text: str) -> tuple[str, str] | None:
    """(kind, version) from what `--version` printed: four lines of which the first names the version."""
    found = _BANNER.search(text[:_LONGEST_OUTPUT])
    version = tidy_version(found[1]) if found else None
    return None if version is None else (NAME, version)


def command_line(node: Node, *, supervised: bool = False) -> tuple[str, ...]:
    """Program and arguments. The network is a subcommand of antnode, so it and its options come last.

    Permanent if the last of the node's own arguments would take the network for its value.
    """
    if alone := lacks_value(node.start_args, _WITH_VALUE):
        raise Permanent(f"{node.name} cannot start: {alone} in its arguments needs a value")
    given = options_in(node.start_args)
    return (
        node.program,
        *("--root-dir", node.root_dir),
        *("--port", str(node.port)),
        *("--metrics-server-port", str(node.metrics_port)),
        *("--log-output-dest", node.log_dir),
        *(part for limit in _LOG_LIMITS if limit[0] not in given for part in limit),
        *(("--no-upnp",) if node.no_upnp and "--no-upnp" not in given else ()),
        *((_STOP_ON_UPGRADE,) if supervised and _can_stop(node) and _STOP_ON_UPGRADE not in given else ()),
        *("--rewards-address", node.wallet),
        *node.start_args,
        *(() if _names_network(node) else (_DEFAULT_NETWORK,)),
    )


def _can_stop(node: Node) -> bool:
    """Whether its program surely knows how to stop after it replaced itself: an unknown flag would end it."""
    version = node.binary_version
    if version is None or version.startswith("nightly "):
        return False
    return not is_older(version, _STOPS_ON_UPGRADE_SINCE)


def _names_network(node: Node) -> bool:
    """Whether the node's own arguments or environment choose its payment network."""
    by_argument = first_subcommand(node.start_args, _WITH_VALUE) is not None
    return by_argument or any(name == "EVM_NETWORK" for name, _ in node.environment)


def environment(node: Node) -> tuple[tuple[str, str], ...]:
    """Return the node's decided environment and nothing else."""
    return node.environment


def fingerprint(root_dir: str) -> tuple[str, str]:
    """Two neighbouring arguments that no other process on the machine has."""
    return ("--root-dir", root_dir)


# Its pages tell all but the last; of the log only that line is sure to be worded so in every release.
_LOG_WORDS = LogWords(
    started=message(r"Running antnode v(?P<version>[0-9]\S*)"),
    listens=message(r"Listening on\b"),
    peers=re.compile(r"\bconnected[ _]peers=(?P<peers>[0-9]{1,9})\b"),
    stored=message(r"Wrote record\b"),
    refuses=re.compile(r"\bNo space left on device\b"),
    fatal=message(r"Node terminated due to: (?P<why>.*)"),
)

ANTNODE = NodeKind(
    name=NAME,
    program_name=NAME,
    companion_files=(),
    identity_file_name="secret-key",
    failure_file="critical_failure.log",
    has_metrics=True,
    store_files=("record_store",),
    log_files="antnode.log",
    reserved_options=_RESERVED,
    options_with_value=_WITH_VALUE,
    parse_version_output=parse_version_output,
    command_line=command_line,
    environment=environment,
    log=_LOG_WORDS,
    signs=(),
    fingerprint=fingerprint,
)
