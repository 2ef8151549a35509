"""The options of each kind of node program, for reading command lines that wnm did not write."""

import re
from collections.abc import Mapping

from msgspec import Struct

from wnm.node_kinds.kinds import ANT_NODE, ANTNODE

NETWORKS = frozenset(
    {"evm-arbitrum-one", "evm-arbitrum-sepolia", "evm-arbitrum-sepolia-test", "evm-custom", "evm-local"}
)
"""The words that antnode is known to choose its payment network by."""


class Form(Struct, frozen=True, kw_only=True):
    """The syntax of one kind for what both have, by the long names of its options.

    `log` is what names the log folder, unless it is one of `no_log_folder`, and `log_variable` does the same.
    `network` are options that choose the payment network, `network_variables` the variables, `subcommands` the words
    and `of_subcommand` the options that only follow such a word. `switches` have no value. `dropped` only say what
    another option says too, `repeatable` may be given several times, `only_here` no other kind has.
    """

    metrics: str
    needs_metrics: bool
    log: str
    no_log_folder: frozenset[str]
    log_variable: str | None
    network: frozenset[str]
    network_variables: frozenset[str]
    subcommands: re.Pattern[str] | None
    of_subcommand: frozenset[str]
    aliases: Mapping[str, str]
    switches: frozenset[str]
    dropped: frozenset[str]
    repeatable: frozenset[str]
    only_here: frozenset[str]


FORMS: Mapping[str, Form] = {
    ANTNODE.name: Form(
        metrics="--metrics-server-port",
        needs_metrics=True,
        log="--log-output-dest",
        no_log_folder=frozenset({"stdout", "data-dir"}),
        log_variable=None,
        network=frozenset(),
        network_variables=frozenset({"EVM_NETWORK"}),
        subcommands=re.compile(r"evm-[a-z0-9-]+"),
        of_subcommand=frozenset(
            {"--rpc-url", "--payment-token-address", "--data-payments-address", "--merkle-payments-address"}
        ),
        aliases={},
        switches=frozenset(
            {"--enable-metrics-server", "--no-upnp", "--upnp", "--relay", "--home-network", "--alpha", "--first",
             "--local", "--ignore-cache", "--stop-on-upgrade", "--write-older-cache-files"}
        ),
        dropped=frozenset({"--enable-metrics-server"}),
        repeatable=frozenset({"--peer", "--network-contacts-url"}),
        only_here=frozenset(
            {"--metrics-server-port", "--enable-metrics-server", "--log-output-dest", "--bootstrap-cache-dir"}
        ),
    ),
    ANT_NODE.name: Form(
        metrics="--metrics-port",
        needs_metrics=False,
        log="--log-dir",
        no_log_folder=frozenset(),
        log_variable="ANT_LOG_DIR",
        network=frozenset({"--evm-network", "--evm-rpc-url", "--evm-payment-token", "--evm-payment-vault"}),
        network_variables=frozenset({"EVM_NETWORK", "ANT_EVM_NETWORK", "ANT_EVM_RPC_URL"}),
        subcommands=None,
        of_subcommand=frozenset(),
        aliases={"-p": "--port", "-b": "--bootstrap", "-c": "--config"},
        switches=frozenset({"--enable-logging", "--stop-on-upgrade", "--ipv4-only"}),
        dropped=frozenset({"--enable-logging"}),
        repeatable=frozenset({"--bootstrap"}),
        only_here=frozenset({"--metrics-port", "--evm-network", "--upgrade-channel", "--enable-logging"}),
    ),
}  # fmt: skip
