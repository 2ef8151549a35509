"""Texts of Linux' /proc."""

from pathlib import Path

import pytest

from wnm.formats.proc import (
    Memory,
    Transfer,
    cgroup_of,
    cpu_quota,
    cpu_ticks,
    disk_bytes,
    figure_in,
    interface_bytes,
    local_ports,
    memory,
    pressure,
    tasks,
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


def test_the_cgroup_of_a_controller() -> None:
    text = "12:cpu,cpuacct:/old\n9:name=systemd:/\n0::/user.slice/cron.service\n"
    assert cgroup_of(text, "cpu") == ("/old", 1)
    assert cgroup_of(text, "memory") == ("/user.slice/cron.service", 2)
    assert cgroup_of("12:cpu:/old\n", "memory") == (None, 2)


def test_figures_of_files_with_a_name_in_each_line() -> None:
    text = "anon 10\ninactive_file 25\ntotal_inactive_file 30\n"
    assert (figure_in(text, "inactive_file"), figure_in(text, "file")) == (25, None)


def test_stalls() -> None:
    some = "some avg10=1.00 avg60=2.50 avg300=0.10 total=292184\n"
    assert pressure(some) == (2.5, None)
    assert pressure(some + "full avg10=0.00 avg60=0.30 avg300=0.00 total=57832\n") == (2.5, 0.3)
    assert pressure("") == (None, None)


def test_tasks() -> None:
    assert tasks("0.20 0.18 0.12 1/812 11206\n") == 812
    assert tasks("") is None


def test_ticks_of_some_cpus_only() -> None:
    text = "cpu  30 0 30 60 0\ncpu0 10 0 10 40 0\ncpu1 20 0 20 20 0\nintr 5\n"
    assert cpu_ticks(text) == (60, 120)
    assert cpu_ticks(text, {1}) == (40, 60)
