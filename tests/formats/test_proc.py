"""Texts of Linux' /proc."""

from pathlib import Path

import pytest

from wnm.formats.proc import (
    Memory,
    Transfer,
    cpu_quota,
    cpu_ticks,
    disk_bytes,
    interface_bytes,
    local_ports,
    memory,
    own_cgroup,
)

CASES = Path(__file__).parent / "cases" / "proc"


def _case(name: str) -> str:
    return (CASES / name).read_text()


def test_idle_and_waiting_for_a_disk_are_not_busy_and_guests_count_once() -> None:
    assert cpu_ticks(_case("stat.txt")) == (
        1000 + 20 + 300 + 5 + 7 + 60,
        1000 + 20 + 300 + 40000 + 900 + 5 + 7 + 60,
    )


def test_an_old_kernel_has_four_columns() -> None:
    assert cpu_ticks("cpu  10 20 30 40\n") == (60, 100)


@pytest.mark.parametrize("text", ["", "cpu0 1 2 3 4\n", "cpu  a b c d\n"])
def test_without_a_line_for_all_cores_nothing_is_known(text: str) -> None:
    assert cpu_ticks(text) is None


def test_interfaces_that_count_are_summed() -> None:
    text = _case("net_dev.txt")
    assert interface_bytes(text, lambda name: name != "lo") == Transfer(
        read_bytes=1_007_000, write_bytes=502_500
    )
    assert interface_bytes(text, {"eth0"}.__contains__) == Transfer(read_bytes=1_000_000, write_bytes=500_000)
    assert interface_bytes(text, lambda _: False) is None


def test_disks_that_count_are_summed_in_sectors_of_512_bytes() -> None:
    text = _case("diskstats.txt")
    assert disk_bytes(text, {"sda", "nvme0n1"}.__contains__) == Transfer(
        read_bytes=(2000 + 40) * 512, write_bytes=(1000 + 80) * 512
    )
    assert disk_bytes(text, lambda _: False) is None
    assert disk_bytes("", lambda _: True) is None


def test_memory() -> None:
    text = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n"
    assert memory(text) == Memory(total_bytes=1_024_000, available_bytes=256_000)
    assert memory("MemTotal:       1000 kB\n") is None


def test_ports_of_listeners_only_or_of_all_sockets() -> None:
    text = _case("net_tcp.txt")
    assert local_ports(text, listening_only=True) == {13001, 22}
    assert local_ports(text, listening_only=False) == {13001, 22, 13002, 40000}


@pytest.mark.parametrize(
    ("text", "cores"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("1 0\n", None)],
)
def test_quota(text: str, cores: float | None) -> None:
    assert cpu_quota(text) == cores


def test_own_cgroup() -> None:
    assert own_cgroup("12:cpu:/old\n0::/user.slice/cron.service\n") == "/user.slice/cron.service"
    assert own_cgroup("12:cpu:/old\n") is None
