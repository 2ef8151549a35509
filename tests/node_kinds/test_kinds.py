"""Every kind of node program: what it says of itself, how it is started, and what it leaves open."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node_kinds.nodes import node_of

from wnm.node_kinds.kind import NodeKind
from wnm.node_kinds.kinds import KINDS, kind_of_version_output

CASES = Path(__file__).parent / "cases"
VERSIONS = sorted((CASES / "version_output").iterdir())
COMMAND_LINES = sorted((CASES / "command_line").iterdir())
BANNERS = ("Autonomi Node v", "Autonomi Node -- ", "ant-node ")
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


@pytest.mark.parametrize("case", VERSIONS, ids=lambda case: case.name)
def test_version_output(case: Path) -> None:
    found = kind_of_version_output((case / "output.txt").read_bytes().decode())
    expected = json.loads((case / "expected.json").read_text())
    assert found == (tuple(expected) if expected else None)


@kinds
@pytest.mark.parametrize("case", VERSIONS, ids=lambda case: case.name)
def test_no_kind_takes_a_program_for_its_own_that_is_another(kind: NodeKind, case: Path) -> None:
    found = kind.parse_version_output((case / "output.txt").read_bytes().decode())
    assert found is None or found[0] == kind.name


@settings(deadline=None)
@given(
    st.text(max_size=200)
    | st.tuples(st.sampled_from(BANNERS), st.text(max_size=80)).map(lambda parts: "".join(parts))
)
def test_any_output_names_a_printable_version_or_none(text: str) -> None:
    found = kind_of_version_output(text)
    assert found is None or (found[1].isprintable() and found[1].isascii() and found[0] in KINDS)


@pytest.mark.parametrize("banner", ["Autonomi Node v0.4.17", "ant-node 0.14.2"])
def test_an_endless_output_is_read_at_its_beginning_only(banner: str) -> None:
    assert kind_of_version_output(f"{'x' * 10_000}\n{banner}\n") is None
    assert kind_of_version_output(f"{banner}\n{'x' * 10_000_000}") is not None


def test_only_the_kinds_that_are_asked_for_are_recognised() -> None:
    assert kind_of_version_output("ant-node 0.14.2", {"antnode": KINDS["antnode"]}) is None


@pytest.mark.parametrize("case", COMMAND_LINES, ids=lambda case: case.stem)
def test_command_line(case: Path) -> None:
    told = json.loads(case.read_text())
    changes: dict[str, Any] = dict(told.get("node", {}))
    if "start_args" in changes:
        changes["start_args"] = tuple(changes["start_args"])
    if "environment" in changes:
        changes["environment"] = tuple(tuple(pair) for pair in changes["environment"])
    kind, node = KINDS[told["kind"]], node_of(told["kind"], **changes)
    assert list(kind.command_line(node, supervised=told.get("supervised", False))) == told["argv"]
    assert [list(pair) for pair in kind.environment(node)] == told["environment"]


@kinds
def test_the_fingerprint_is_in_every_command_line(kind: NodeKind) -> None:
    node = node_of(kind.name, binary_version="99.0.0")
    for argv in (kind.command_line(node), kind.command_line(node, supervised=True)):
        at = argv.index("--root-dir")
        assert kind.fingerprint(node.root_dir) == argv[at : at + 2]


@kinds
def test_nothing_is_unsupervised_by_itself(kind: NodeKind) -> None:
    node = node_of(kind.name, binary_version="99.0.0")
    assert kind.command_line(node) == kind.command_line(node, supervised=False)
    assert set(kind.command_line(node, supervised=True)) - set(kind.command_line(node)) == {
        "--stop-on-upgrade"
    }


@kinds
def test_every_option_that_says_where_the_node_is_may_not_be_given(kind: NodeKind) -> None:
    written = {word for word in kind.command_line(node_of(kind.name)) if word.startswith("--")}
    for option in written & kind.reserved_options:
        assert kind.problem_with((f"{option}=1",)) == kind.problem_with((option, "1"))
        assert option in (kind.problem_with((option, "1")) or "")
    assert {"--root-dir", "--port", "--rewards-address"} <= written & kind.reserved_options


@pytest.mark.parametrize(
    ("kind", "words", "problem"),
    [
        ("antnode", (), None),
        ("antnode", ("--relay", "--peer", "/ip4/1.2.3.4"), None),
        ("antnode", ("--peer",), "--peer needs a value"),
        ("antnode", ("--relay", "--network-id"), "--network-id needs a value"),
        ("antnode", ("evm-custom", "--rpc-url", "u"), None),
        ("antnode", ("--peer", "--port", "--ip"), "--port is set by wnm itself for every node; leave it out"),
        ("ant-node", ("--bootstrap", "1.2.3.4:5", "--stop-on-upgrade"), None),
        ("ant-node", ("-b", "1.2.3.4:5"), None),
        ("ant-node", ("-b",), "-b needs a value"),
        ("ant-node", ("-p12000",), "-p is set by wnm itself for every node; leave it out"),
        ("ant-node", ("--log-dir=/tmp",), "--log-dir is set by wnm itself for every node; leave it out"),
    ],
)
def test_extra_arguments_that_no_node_starts_with(
    kind: str, words: tuple[str, ...], problem: str | None
) -> None:
    assert KINDS[kind].problem_with(words) == problem


def test_every_kind_is_found_by_its_name() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    assert list(KINDS) == ["antnode", "ant-node"]
