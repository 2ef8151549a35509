"""Readings that hang, fail or succeed."""

import threading

import pytest

from wnm.core.observation import Unseen
from wnm.sensors.host import read_with_timeout


def test_a_result_is_returned_even_if_it_is_none() -> None:
    assert read_with_timeout(lambda: 7, 5) == 7
    read: list[None] = [read_with_timeout(lambda: None, 5)]  # type: ignore[list-item]
    assert read == [None]


def test_what_hangs_is_unseen_and_named() -> None:
    never = threading.Event()
    try:
        found = read_with_timeout(never.wait, 0.05, what="the disk")
        assert found == Unseen(reason="the disk: no result within 0.05 s")
    finally:
        never.set()


def test_an_error_of_the_system_is_unseen() -> None:
    def fail() -> int:
        raise PermissionError(13, "Permission denied")

    assert read_with_timeout(fail, 5, what="/secret") == Unseen(reason="/secret: Permission denied")


def test_a_mistake_is_raised() -> None:
    def mistake() -> int:
        raise KeyError("typo")

    with pytest.raises(KeyError, match="typo"):
        read_with_timeout(mistake, 5)
