"""antnode: its version texts and its command line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wnm.core.node import Node, NodeId, Status
from wnm.node_kinds.antnode import ANTNODE, command_line, parse_version_output
from wnm.node_kinds.kinds import KINDS

CASES = Path(__file__).parent / "cases" / "version_output"
WALLET = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _node(
    *, start_args: tuple[str, ...] = (), no_upnp: bool = True, environment: tuple[tuple[str, str], ...] = ()
) -> Node:
    return Node(
        id=NodeId(7), name="antnode0007", kind="antnode", manager="setsid",
        root_dir="/data/node/antnode0007", log_dir="/data/logs/antnode0007",
        program="/data/node/antnode0007/antnode", port=55007, metrics_port=13007, wallet=WALLET,
        born=NOON, status=Status.STOPPED, status_since=NOON,
        start_args=start_args, no_upnp=no_upnp, environment=environment,
    )  # fmt: skip


def _value(argv: tuple[str, ...], flag: str) -> str:
    assert argv.count(flag) == 1
    return argv[argv.index(flag) + 1]


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_version_output(case: Path) -> None:
    found = parse_version_output((case / "output.txt").read_bytes().decode())
    expected = json.loads((case / "expected.json").read_text())
    assert found == (tuple(expected) if expected else None)


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(max_size=80).map(lambda tail: f"Autonomi Node v{tail}"))
def test_any_output_names_a_printable_version_or_none(text: str) -> None:
    found = parse_version_output(text)
    assert found is None or (found[1].isprintable() and found[1].isascii())


def test_an_endless_output_is_read_at_its_beginning_only() -> None:
    assert parse_version_output("x" * 10_000 + "\nAutonomi Node v0.4.17\n") is None
    assert parse_version_output("Autonomi Node v0.4.17\n" + "x" * 10_000_000) == ("antnode", "0.4.17")


def test_command_line_says_everything_that_was_decided() -> None:
    argv = command_line(_node())
    assert argv[0] == "/data/node/antnode0007/antnode"
    assert _value(argv, "--root-dir") == "/data/node/antnode0007"
    assert _value(argv, "--port") == "55007"
    assert _value(argv, "--metrics-server-port") == "13007"
    assert _value(argv, "--log-output-dest") == "/data/logs/antnode0007"
    assert _value(argv, "--rewards-address") == WALLET
    assert int(_value(argv, "--max-log-files")) <= 10
    assert int(_value(argv, "--max-archived-log-files")) <= 10
    assert "--no-upnp" in argv
    assert argv[-1] == "evm-arbitrum-one"


def test_upnp_can_be_left_on() -> None:
    assert "--no-upnp" not in command_line(_node(no_upnp=False))


def test_extra_arguments_come_before_the_network() -> None:
    assert command_line(_node(start_args=("--relay", "--alpha")))[-3:] == (
        "--relay",
        "--alpha",
        "evm-arbitrum-one",
    )


def test_a_network_of_the_operator_stays_last_with_its_options() -> None:
    own = ("--relay", "evm-custom", "--rpc-url", "http://localhost:8545")
    argv = command_line(_node(start_args=own))
    assert argv[-4:] == own
    assert "evm-arbitrum-one" not in argv


def test_a_network_in_the_environment_is_not_overridden() -> None:
    argv = command_line(_node(environment=(("EVM_NETWORK", "arbitrum-sepolia-test"),)))
    assert not any(argument.startswith("evm-") for argument in argv)


def test_an_option_that_the_operator_gives_is_not_given_twice() -> None:
    argv = command_line(
        _node(start_args=("--max-log-files=20", "--max-archived-log-files", "40", "--no-upnp"))
    )
    assert [argument for argument in argv if argument.startswith("--max-log-files")] == ["--max-log-files=20"]
    assert _value(argv, "--max-archived-log-files") == "40"
    assert argv.count("--no-upnp") == 1


def test_every_reserved_option_but_the_implied_one_is_in_the_command_line() -> None:
    assert ANTNODE.reserved_options - set(command_line(_node())) == {"--enable-metrics-server"}


def test_places_and_fingerprint() -> None:
    node = _node()
    assert ANTNODE.identity_file(node.root_dir) == "/data/node/antnode0007/secret-key"
    assert ANTNODE.last_words_file == "critical_failure.log"
    argv = command_line(node)
    at = argv.index("--root-dir")
    assert ANTNODE.fingerprint(node.root_dir) == argv[at : at + 2]


def test_every_kind_is_found_by_its_name() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    assert "antnode" in KINDS
