"""Whatever is in a node's arguments, wallet and paths: it runs as it was decided, or not at all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node_kinds.nodes import WALLET, node_of, words

from wnm.core.errors import Permanent
from wnm.node_kinds.kinds import KINDS
from wnm_sim.command_line import Arguments, UsageError, parse_ant_node, parse_antnode

ANTNODE_WORDS = words(
    """
--relay --alpha --peer --peer=evm-custom --port --root-dir --rewards-address=x --no-upnp --network-id 2 --local --first
evm-arbitrum-one evm-arbitrum-sepolia-test evm-custom evm-cache --rpc-url --bootstrap-cache-dir -- - --max-log-files 4
--enable-metrics-server --metrics-server-port --log-output-dest stdout --stop-on-upgrade --ip ::1 --port=1
"""
)
ANT_NODE_WORDS = words(
    """
--bootstrap 1.2.3.4:5 -b -p -p9 --port --evm-network arbitrum-sepolia evm-arbitrum-one --root-dir=/x --ipv4-only
--upgrade-channel beta --stop-on-upgrade --log-dir /x --enable-logging -- - --metrics-port=1 --config -c /x
"""
)
ANTNODE_PAIRS = [
    ("--bootstrap-cache-dir", "evm-cache"),
    ("--peer", "evm-custom"),
    ("--network-id", "2"),
    ("--ip", "::1"),
]
ANT_NODE_PAIRS = [
    ("--bootstrap", "1.2.3.4:5"),
    ("--evm-network", "arbitrum-sepolia"),
    ("--upgrade-channel", "beta"),
]
values = st.text(max_size=20).filter(lambda text: "\0" not in text)
networks = ("evm-arbitrum-one", "evm-arbitrum-sepolia-test", "evm-custom")


def changes(known: list[str], pairs: list[tuple[str, str]]) -> st.SearchStrategy[dict[str, Any]]:
    odd = st.sampled_from(known) | values
    arguments = st.lists(st.sampled_from(pairs) | odd.map(lambda word: (word,)), max_size=4)
    return st.fixed_dictionaries(
        {
            "start_args": arguments.map(lambda groups: tuple(word for group in groups for word in group)),
            "wallet": st.just(WALLET) | odd,
            "root_dir": st.just("/data/node/n7") | odd,
            "log_dir": st.just("/data/logs/n7") | odd,
            "no_upnp": st.booleans(),
            "binary_version": st.sampled_from([None, "0.4.17"]),
        }
    )


def holds(asked: Arguments, decided: dict[str, Any]) -> None:
    assert asked.port == 55007
    assert asked.root_dir == decided["root_dir"]
    assert asked.rewards_address == decided["wallet"]
    assert not asked.show


@settings(deadline=None, max_examples=700)
@given(changes(ANTNODE_WORDS, ANTNODE_PAIRS), st.booleans())
def test_antnode(decided: dict[str, Any], supervised: bool) -> None:
    try:
        argv = KINDS["antnode"].command_line(node_of("antnode", **decided), supervised=supervised)
        asked = parse_antnode(argv[1:])
    except (UsageError, Permanent):
        return
    assert argv[0] == "/data/node/n7/antnode"
    holds(asked, decided)
    assert asked.metrics_port == 13007
    assert asked.log_output_dest == decided["log_dir"]
    assert asked.evm_network in networks
    named = [word for word in decided["start_args"] if word in networks]
    assert asked.evm_network == "evm-arbitrum-one" or asked.evm_network in named


@settings(deadline=None, max_examples=700)
@given(changes(ANT_NODE_WORDS, ANT_NODE_PAIRS), st.booleans())
def test_ant_node(decided: dict[str, Any], supervised: bool) -> None:
    node = node_of("ant-node", **decided)
    kind = KINDS["ant-node"]
    if kind.problem_with(node.start_args):
        return
    argv = kind.command_line(node, supervised=supervised)
    try:
        asked = parse_ant_node(argv[1:], dict(kind.environment(node)))
    except UsageError:
        return
    assert argv[0] == "/data/node/n7/ant-node"
    holds(asked, decided)
    assert asked.log_output_dest == decided["log_dir"]
    assert asked.evm_network == "arbitrum-one" or "arbitrum-sepolia" in decided["start_args"]
    assert asked.stop_on_upgrade == (supervised or "--stop-on-upgrade" in decided["start_args"])


def test_an_option_without_its_value_cannot_take_the_network_for_it() -> None:
    node = node_of("antnode", start_args=("--peer",))
    with pytest.raises(Permanent, match="--peer"):
        KINDS["antnode"].command_line(node)
