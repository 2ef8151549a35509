"""The reports of programs that gave up: the reason, without colours, frames and the builder's paths."""

from pathlib import Path

import pytest

from wnm.formats.program_output import essential

STDERR = Path(__file__).parent / "cases" / "ant_node" / "stderr"
SAID = {
    "address-too-short": "payment error: Invalid rewards address length: expected 42 characters, got 5",
    "identity-truncated": "node startup failed: Failed to load node identity: Identity error: Invalid format: Failed "
    "to deserialize identity: EOF while parsing a list at line 2 column 0",
    "no-rewards-address": "node startup failed: No rewards address configured. Set --rewards-address or "
    "payment.rewards_address in config.",
    "root-not-creatable": "I/O error: No such file or directory (os error 2)",
    "udp-port-in-use": "node startup failed: Failed to create P2P node: Transport error: Setup failed: Failed to "
    "create dual-stack network nodes: Failed to create transport",
    "webrtc-port-in-use": "node startup failed: failed to bind WebRTC Direct listener: WebRTC Direct socket error: "
    "Address already in use (os error 98)",
    "unknown-flag": "error: unexpected argument '--bogus' found",
    "rust-log-filter": "error: invalid value 'ant_node=debug' for '--log-level <LOG_LEVEL>'",
}


@pytest.mark.parametrize("name", SAID)
def test_a_report_is_its_reason(name: str) -> None:
    lines = (STDERR / f"{name}.txt").read_text().split("\n")
    assert essential(lines)[0] == SAID[name]


@pytest.mark.parametrize("file", sorted(STDERR.iterdir()), ids=lambda file: file.stem)
def test_no_colours_and_no_files_of_the_builder(file: Path) -> None:
    said = " ".join(essential(file.read_text().split("\n")))
    assert "\x1b" not in said
    assert ".rs" not in said
    assert "BACKTRACE" not in said
    assert "libc" not in said


def test_other_output_stays_as_it_is() -> None:
    assert essential(["starting\n", "  ready: 1 of 2  ", "", "\x1b[1mdone\x1b[0m"]) == [
        "starting",
        "ready: 1 of 2",
        "done",
    ]
