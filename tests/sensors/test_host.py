"""Readings of the machine that the tests run on."""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from wnm.core.observation import Load, Unseen, rates
from wnm.sensors import host, host_elsewhere, host_linux
from wnm.system.clock import SystemClock

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class StandingClock(SystemClock):
    """Sleeps are noted, not slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def _burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_busy_time_grows_with_work_and_total_with_time() -> None:
    clock = SystemClock()
    before = host.read_counters(clock)
    _burn(0.3)
    after = host.read_counters(clock)
    assert before.cpu_busy_seconds is not None
    assert after.cpu_busy_seconds is not None
    assert after.cpu_total_seconds is not None
    assert after.cpu_busy_seconds - before.cpu_busy_seconds >= 0.2
    assert after.cpu_busy_seconds <= after.cpu_total_seconds
    seen = rates(before, after)
    assert isinstance(seen.cpu_percent, float)
    assert seen.cpu_percent > 100 * 0.2 / (after.cpu_total_seconds - (before.cpu_total_seconds or 0))


def test_own_time_is_what_this_process_used() -> None:
    before = host.own_cpu_seconds()
    _burn(0.2)
    assert 0.15 <= host.own_cpu_seconds() - before <= 5


def test_a_short_sample_has_a_window() -> None:
    clock = StandingClock()
    before, after = host.short_sample(clock)
    assert clock.slept == [0.25]
    assert before.boot_id == after.boot_id
    assert before.taken_at < after.taken_at


def test_taken_now_in_utc() -> None:
    taken_at = host.read_counters(SystemClock()).taken_at
    assert taken_at.tzinfo is UTC
    assert abs((datetime.now(UTC) - taken_at).total_seconds()) < 60


def test_load_and_memory() -> None:
    load = host.read_load()
    assert isinstance(load, Load)
    assert min(load.one, load.five, load.fifteen) >= 0
    memory, pids, _ = host.read_bounds()
    assert not isinstance(memory, Unseen)
    assert 0 < memory[0].percent < 100
    assert memory[0].total == psutil.virtual_memory().total
    assert all(each.total < memory[0].total for each in memory[1:])
    assert all(0 < each.used < each.total for each in pids)


def test_cores() -> None:
    assert 0 < host.usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('[ "$*" = "-n kern.bootsessionuuid" ] && echo 7E5D-11', "7E5D-11"),
        ("echo 'unknown oid' >&2; exit 1", None),
        ("echo", None),
    ],
)
def test_the_boot_id_of_macos_is_the_kernels_own(tmp_path: Path, script: str, told: str | None) -> None:
    sysctl = tmp_path / "sysctl"
    sysctl.write_text(f"#!/bin/sh\n{script}\n")
    sysctl.chmod(0o755)
    assert host_elsewhere.boot_id(str(sysctl)) == told
    assert host_elsewhere.boot_id(str(tmp_path / "none")) is None


def test_boot_id_stays() -> None:
    assert host.boot_id() == host.boot_id() != ""


@LINUX
def test_boot_id_is_the_kernels() -> None:
    assert host.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@LINUX
def test_both_ways_to_read_the_machine_agree() -> None:
    now = datetime.now(UTC)
    ours, theirs = host_linux.counters("x", now, None), host_elsewhere.counters("x", now, None)
    assert ours.cpu_total_seconds == pytest.approx(theirs.cpu_total_seconds, rel=0.02)
    memory, other = host_linux.memory(), host_elsewhere.memory()
    assert memory is not None
    assert memory.total_bytes == other.total_bytes


@LINUX
def test_loopback_is_no_network_traffic() -> None:
    total = psutil.net_io_counters()
    loopback = psutil.net_io_counters(pernic=True).get("lo")
    seen = host_linux.network_bytes()
    if seen is not None and loopback is not None:
        assert seen.read_bytes <= total.bytes_recv - loopback.bytes_recv + 1024 * 1024


@LINUX
def test_partitions_do_not_count_twice() -> None:
    seen = host_linux.disk_bytes()
    per_device = psutil.disk_io_counters(perdisk=True)
    if seen is not None:
        assert seen.read_bytes <= sum(each.read_bytes for each in per_device.values()) + 1024 * 1024
