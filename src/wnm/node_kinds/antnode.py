"""antnode, the node program of Autonomi's first network."""

import re

from wnm.core.node import Node
from wnm.core.version import tidy_version
from wnm.node_kinds.kind import NodeKind

NAME = "antnode"
SUCCESSOR = "ant-node"
_LONGEST_OUTPUT = 4096
_BANNER = re.compile(r"^Autonomi Node (?:v|(?=-- Nightly Release ))([^\r\n]+)", re.MULTILINE)
_SUCCESSOR_BANNER = re.compile(r"^ant-node v?([^\r\n]+)", re.MULTILINE)
_RESERVED = frozenset(
    {"--root-dir", "--port", "--metrics-server-port", "--enable-metrics-server", "--log-output-dest",
     "--rewards-address"}
)  # fmt: skip
# A file holds 20 MB, an archived one about a tenth of that: at most some 70 MB a node.
_LOG_LIMITS = (("--max-log-files", "3"), ("--max-archived-log-files", "3"))
_DEFAULT_NETWORK = "evm-arbitrum-one"


def parse_version_output(text: str) -> tuple[str, str] | None:
    """(kind, version) from what `--version` printed.

    antnode prints four lines of which the first names its version. Its successor ant-node prints one line;
    it is recognised so that it can be named when it is refused.
    """
    text = text[:_LONGEST_OUTPUT]
    for kind, banner in ((NAME, _BANNER), (SUCCESSOR, _SUCCESSOR_BANNER)):
        found = banner.search(text)
        version = tidy_version(found[1]) if found else None
        if version is not None:
            return kind, version
    return None


def command_line(node: Node) -> tuple[str, ...]:
    """Program and arguments. The network is a subcommand of antnode, so it and its options come last."""
    given = {argument.partition("=")[0] for argument in node.start_args}
    return (
        node.program,
        *("--root-dir", node.root_dir),
        *("--port", str(node.port)),
        *("--metrics-server-port", str(node.metrics_port)),
        *("--log-output-dest", node.log_dir),
        *(part for limit in _LOG_LIMITS if limit[0] not in given for part in limit),
        *(("--no-upnp",) if node.no_upnp and "--no-upnp" not in given else ()),
        *("--rewards-address", node.wallet),
        *node.start_args,
        *(() if _names_network(node) else (_DEFAULT_NETWORK,)),
    )


def _names_network(node: Node) -> bool:
    """Whether the node's own arguments or environment choose its payment network."""
    by_argument = any(argument.startswith("evm-") for argument in node.start_args)
    return by_argument or any(name == "EVM_NETWORK" for name, _ in node.environment)


def fingerprint(root_dir: str) -> tuple[str, str]:
    """Two neighbouring arguments that no other process on the machine has."""
    return ("--root-dir", root_dir)


ANTNODE = NodeKind(
    name=NAME,
    identity_file_name="secret-key",
    last_words_file="critical_failure.log",
    reserved_options=_RESERVED,
    parse_version_output=parse_version_output,
    command_line=command_line,
    fingerprint=fingerprint,
)
