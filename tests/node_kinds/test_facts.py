"""What is known of the two programs, written down a second time and independently of the code."""

import re

import pytest
from tests.node_kinds.nodes import WALLET, node_of, value, words

from wnm.node_kinds.kinds import KINDS, kind_of_version_output

ANTNODE_FLAGS = words(
    """
--root-dir --port --ip --rewards-address --log-output-dest --log-format --max-log-files --max-archived-log-files
--enable-metrics-server --metrics-server-port --no-upnp --relay --network-id --alpha --peer --first --local
--network-contacts-url --ignore-cache --bootstrap-cache-dir --rpc --stop-on-upgrade --write-older-cache-files
"""
)
ANT_NODE_FLAGS = words(
    """
--root-dir --port --ipv4-only --bootstrap --upgrade-channel --cache-capacity --rewards-address --evm-network
--evm-rpc-url --evm-payment-token --evm-payment-vault --metrics-port --network-mode --config --stop-on-upgrade
"""
)
# Known to builds with logging only: releases were made without.
ANT_NODE_LOG_FLAGS = ["--enable-logging", "--log-level", "--log-format", "--log-dir", "--log-max-files"]


@pytest.mark.parametrize(("kind", "known"), [("antnode", ANTNODE_FLAGS), ("ant-node", ANT_NODE_FLAGS)])
def test_no_flag_is_written_that_the_program_does_not_know(kind: str, known: list[str]) -> None:
    for version in (None, "0.4.7", "0.4.17", "0.14.2", "nightly 2026.02.23"):
        node = node_of(kind, binary_version=version)
        argv = KINDS[kind].command_line(node, supervised=True)
        written = [word for word in argv[1:] if word.startswith("-")]
        assert set(written) <= set(known)
        assert len(set(written)) == len(written)


def test_the_network_of_antnode_is_a_subcommand_and_of_ant_node_an_option() -> None:
    assert KINDS["antnode"].command_line(node_of("antnode"))[-1] == "evm-arbitrum-one"
    argv = KINDS["ant-node"].command_line(node_of("ant-node"))
    assert value(argv, "--evm-network") == "arbitrum-one"
    assert not any(re.fullmatch("evm-.*", word) for word in argv)


def test_the_port_of_the_pages() -> None:
    assert value(KINDS["antnode"].command_line(node_of("antnode")), "--metrics-server-port") == "13007"
    assert value(KINDS["ant-node"].command_line(node_of("ant-node")), "--metrics-port") == "13007"
    assert KINDS["antnode"].has_metrics
    assert not KINDS["ant-node"].has_metrics


@pytest.mark.parametrize("kind", ["antnode", "ant-node"])
def test_the_wallet_is_given(kind: str) -> None:
    assert value(KINDS[kind].command_line(node_of(kind)), "--rewards-address") == WALLET


def test_a_router_is_never_asked_for_a_port_and_ant_node_has_no_such_flag() -> None:
    assert "--no-upnp" in KINDS["antnode"].command_line(node_of("antnode"))
    assert "--no-upnp" not in KINDS["ant-node"].command_line(node_of("ant-node"))


def test_where_the_identity_is() -> None:
    assert KINDS["antnode"].identity_file("/r") == "/r/secret-key"
    assert KINDS["ant-node"].identity_file("/r") == "/r/node_identity.key"


def test_where_the_data_is() -> None:
    assert KINDS["antnode"].store_files == ("record_store",)
    assert "chunks.mdb/data.mdb" in KINDS["ant-node"].store_files


def test_where_a_node_says_why_it_ended() -> None:
    assert KINDS["antnode"].failure_file == "critical_failure.log"
    assert KINDS["ant-node"].failure_file is None


def test_the_log_of_ant_node_is_off_unless_asked_for_and_asked_for_without_a_flag() -> None:
    node = node_of("ant-node")
    assert not set(KINDS["ant-node"].command_line(node)) & set(ANT_NODE_LOG_FLAGS)
    asked = dict(KINDS["ant-node"].environment(node))
    assert asked["ANT_ENABLE_LOGGING"] == "true"  # `1` is not understood
    assert asked["ANT_LOG_DIR"] == node.log_dir
    assert int(asked["ANT_LOG_MAX_FILES"]) <= 7
    assert KINDS["antnode"].environment(node_of("antnode")) == ()


def test_the_peers_that_ant_node_joins_through_lie_beside_its_program() -> None:
    assert KINDS["ant-node"].companion_files == ("bootstrap_peers.toml",)
    assert KINDS["antnode"].companion_files == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Autonomi Node v0.4.17\nNetwork version: ant/1.0/1\nPackage version: 2026.2.3.2\nGit info: x / y / z\n",
         ("antnode", "0.4.17")),
        ("Autonomi Node v0.4.18-rc.1\n", ("antnode", "0.4.18-rc.1")),
        ("Autonomi Node -- Nightly Release 2026.02.23\n", ("antnode", "nightly 2026.02.23")),
        ("ant-node 0.14.2\n", ("ant-node", "0.14.2")),
        ("ant-node 0.17.2-beta.2\n", ("ant-node", "0.17.2-beta.2")),
    ],
)  # fmt: skip
def test_the_first_line_names_the_version(text: str, expected: tuple[str, str]) -> None:
    assert kind_of_version_output(text) == expected
