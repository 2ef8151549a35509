"""What programs say when they cannot start, sorted: as real ones said it, and in words read in their source."""

from pathlib import Path

import pytest

from wnm.formats.program_output import essential
from wnm.node_kinds.start_failures import FAILURES, FailureKind, start_failure

STDERR = Path(__file__).parents[1] / "formats" / "cases" / "ant_node" / "stderr"
SORTED = {
    "address-too-short": FailureKind.REWARDS_ADDRESS,
    "no-rewards-address": FailureKind.REWARDS_ADDRESS,
    "no-rewards-address-production": FailureKind.REWARDS_ADDRESS,
    "identity-truncated": FailureKind.IDENTITY,
    "root-not-creatable": FailureKind.FOLDER,
    "rust-log-filter": FailureKind.ARGUMENT,
    "store-open": FailureKind.STORE_OPEN,
    "udp-port-in-use": FailureKind.PORT,
    "unknown-flag": FailureKind.ARGUMENT,
    "webrtc-port-in-use": FailureKind.PORT,
}
READ = {
    "node startup failed: Failed to save node identity: Identity error: Read-only file system (os error 30)": (
        FailureKind.PERMISSION
    ),
    "I/O error: Permission denied (os error 13)": FailureKind.PERMISSION,
    "Failed to write identity file: No space left on device (os error 28)": FailureKind.DISK,
    "Failed to deserialize identity: EOF while parsing a value at line 1 column 40960": FailureKind.IDENTITY,
    "storage error: another pointer store already has /n/pointers open": FailureKind.STORE_OPEN,
    "Chunk store layout schema 2 is newer than this build understands (1). Refusing": FailureKind.LAYOUT,
    "node startup failed: failed to load WebRTC certificate /n/webrtc-direct.pem": FailureKind.CERTIFICATE,
    "configuration error: webrtc_direct.max_connections is above 256": FailureKind.ARGUMENT,
    "thread 'main' panicked at src/main.rs:7:5: index out of bounds": FailureKind.PANIC,
}


@pytest.mark.parametrize("name", sorted(file.stem for file in STDERR.iterdir()))
def test_what_a_real_program_said(name: str) -> None:
    said = " | ".join(essential((STDERR / f"{name}.txt").read_text().split("\n")))
    found = start_failure(f"antnode0001 ended at once with code 1: {said}")
    assert found is not None
    assert found.kind is SORTED[name]


@pytest.mark.parametrize("said", READ)
def test_what_was_read(said: str) -> None:
    found = start_failure(said)
    assert found is not None
    assert found.kind is READ[said]


def test_what_is_not_known_is_not_guessed() -> None:
    assert start_failure("antnode0001 ended at once with code 1: HardDiskWriteError") is None
    assert start_failure("") is None


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.kind)
def test_every_class_has_a_remedy_of_one_line(failure: object) -> None:
    places = dict.fromkeys(("port", "root", "key", "keys", "node", "holder"), "X")
    for text in (failure.meaning, failure.remedy):  # type: ignore[attr-defined]
        assert "{" not in text.format(**places)
        assert "\n" not in text
