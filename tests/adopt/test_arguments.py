"""Command lines of nodes that others set up: told apart exactly, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.node_kinds.nodes import WALLET, node_of

from wnm.node_kinds.kinds import KINDS
from wnm_adopt.understand import (
    LONGEST_COMMAND,
    MOST_WORDS,
    NodeArguments,
    kind_of_command,
    named_by,
    read_arguments,
)

CASES = Path(__file__).parent / "cases" / "found"
ROOT = "/srv/antnode0001"
NEEDED = f"--root-dir {ROOT} --port 55001 --metrics-server-port 13001 --rewards-address {WALLET}"
WORDS = st.one_of(
    st.sampled_from(
        ["--root-dir", "--root-dir=/a", "/a", "--port", "--port=1", "1", "-p", "-p1", "--metrics-server-port=2",
         "--metrics-port=2", "--rewards-address", WALLET, "evm-custom", "--rpc-url", "--rpc=1", "--", "-", "",
         "--enable-metrics-server", "--no-upnp", "--peer", "--unknown", "--log-output-dest=stdout"]
    ),
    st.text(max_size=8),
)  # fmt: skip


def read(kind: str, text: str, **environment: str) -> NodeArguments | str:
    """What a command line of a program in the node's own folder says."""
    return read_arguments(kind, [f"{ROOT}/{kind}", *text.split()], tuple(environment.items()))


def understood(kind: str, text: str, **environment: str) -> NodeArguments:
    """The same for one that has to be understood."""
    found = read(kind, text, **environment)
    assert isinstance(found, NodeArguments), found
    return found


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_cases(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    environment = tuple(tuple(pair) for pair in case.get("environment", []))
    found = read_arguments(case["kind"], case["argv"].split(), environment)
    if isinstance(case["expected"], str):
        assert found == case["expected"]
        return
    assert isinstance(found, NodeArguments), found
    shown = {name: getattr(found, name) for name in case["expected"]}
    assert json.loads(json.dumps(shown)) == case["expected"]


@pytest.mark.parametrize("kind", ["antnode", "ant-node"])
@pytest.mark.parametrize("supervised", [True, False])
def test_what_wnm_itself_writes_is_understood(kind: str, supervised: bool) -> None:
    node = node_of(kind)
    argv = KINDS[kind].command_line(node, supervised=supervised)
    guessed = kind_of_command(argv)
    assert guessed == (kind, None)
    found = read_arguments(kind, argv, KINDS[kind].environment(node))
    assert isinstance(found, NodeArguments)
    assert (found.root_dir, found.port, found.metrics_port) == (node.root_dir, node.port, node.metrics_port)
    assert (found.wallet, found.log_dir, found.notes) == (node.wallet, node.log_dir, ())
    assert found.network in (("evm-arbitrum-one",), ("--evm-network", "arbitrum-one"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no --root-dir"),
        ("--port 55001 --metrics-server-port 13001", "has no --root-dir"),
        ("--root-dir= --port 1", "has no --root-dir"),
        ("--root-dir /a --metrics-server-port 1", "has no --port: it takes another one at every start"),
        ("--root-dir /a --port 1", "has no --metrics-server-port: nothing could tell how it is"),
        ("--root-dir /a --port 1 --enable-metrics-server",
         "has no --metrics-server-port: nothing could tell how it is"),
        ("--root-dir", "has --root-dir without a value"),
        ("--root-dir --port 1", "has --root-dir without a value"),
        ("--root-dir /a --port 0", "has --port '0', which is no port from 1 to 65535"),
        ("--root-dir /a --port 99999", "has --port '99999', which is no port from 1 to 65535"),
        ("--root-dir /a --port ١", "has --port '١', which is no port from 1 to 65535"),
        ("--root-dir /a --port 1 --metrics-server-port x",
         "has --metrics-server-port 'x', which is no port from 1 to 65535"),
        (f"{NEEDED} -- x", "has a bare -- in its command line, after which nothing is an option"),
    ],
)  # fmt: skip
def test_what_no_node_can_be_kept_with(text: str, reason: str) -> None:
    assert read("antnode", text) == reason


def test_a_node_without_a_wallet_is_understood_all_the_same() -> None:
    assert understood("antnode", "--root-dir /a --port 1 --metrics-server-port 2").wallet is None


def test_the_last_of_several_counts_and_that_is_said() -> None:
    found = understood("antnode", f"--port 1 --root-dir /old {NEEDED} --peer a --peer b evm-arbitrum-one")
    assert (found.port, found.root_dir) == (55001, ROOT)
    assert found.start_args == ("--peer", "a", "--peer", "b")
    assert found.notes == (
        "--root-dir is given more than once: the last one counts",
        "--port is given more than once: the last one counts",
    )


@pytest.mark.parametrize("log", ["--log-output-dest stdout", "--log-output-dest=data-dir", ""])
def test_a_log_that_goes_to_no_folder_of_its_own(log: str) -> None:
    assert understood("antnode", f"{NEEDED} {log} evm-arbitrum-one").log_dir is None


def test_the_network_may_be_a_variable() -> None:
    found = understood("antnode", NEEDED, EVM_NETWORK="arbitrum-one", OTHER="x")
    assert (found.network, found.notes) == (("EVM_NETWORK=arbitrum-one",), ())
    assert understood("antnode", NEEDED).notes == ("its command line names no payment network",)


@pytest.mark.parametrize(
    ("argv", "name", "doubt"),
    [
        (["/a/antnode"], "antnode", None),
        (["/a/ant-node", "--port", "1"], "ant-node", None),
        (["/a/antnode", "--metrics-port", "1"], "antnode",
         "its program is called antnode, but it has flags of ant-node"),
        (["/a/antnode-0.4", "--metrics-server-port=1"], "antnode",
         "its program is called antnode-0.4, but has flags of antnode"),
        (["/a/node", "--upgrade-channel", "beta"], "ant-node",
         "its program is called node, but has flags of ant-node"),
    ],
)  # fmt: skip
def test_which_kind_it_is(argv: list[str], name: str, doubt: str | None) -> None:
    assert kind_of_command(argv) == (name, doubt)


@pytest.mark.parametrize(
    "argv", [[], ["/usr/sbin/sshd", "-p", "22"], ["/a/x", "--metrics-port=1", "--metrics-server-port=1"]]
)
def test_no_node_at_all(argv: list[str]) -> None:
    assert kind_of_command(argv) is None


def test_what_is_claimed_is_known_of_command_lines_that_are_refused() -> None:
    found = named_by(["/a/antnode", "--rpc=127.0.0.1:1", "--root-dir", "/a", "--port=12001"])
    assert found == {"root_dir": "/a", "port": "12001", "rpc": "127.0.0.1:1"}
    assert named_by(["x", "--port", "70000", "--metrics-port", "0", "--root-dir"]) == {}


def test_a_command_line_without_end_is_refused_and_not_worked_on() -> None:
    too_long = "has a command line that is too long for a node"
    assert read_arguments("antnode", ["x"] * (MOST_WORDS + 1)) == too_long
    assert read_arguments("antnode", ["x", "y" * LONGEST_COMMAND]) == too_long


@given(st.sampled_from(["antnode", "ant-node"]), st.lists(WORDS, max_size=14))
def test_every_word_is_somewhere_or_the_whole_is_refused(kind: str, words: list[str]) -> None:
    found = read_arguments(kind, ["/a/x", *words])
    if isinstance(found, str):
        assert found.isprintable()
        return
    assert 1 <= found.port <= 65535
    assert found.root_dir
    # What is left over is left in its order, and nothing is made up.
    remaining = iter(words)
    assert all(word in remaining for word in found.start_args)
    rest = iter(words)
    assert all(word in rest for word in found.network)
    assert named_by(["/a/x", *words])["root_dir"]
