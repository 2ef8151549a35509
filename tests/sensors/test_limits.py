"""Limits of cgroups: recorded trees of both versions, as a machine and as a container sees them."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from wnm.core.observation import Bound, Stall
from wnm.sensors.limits import Tree, machine_pids, read_limits, read_quota, read_stalls

MB = 1_000_000
UNLIMITED = 9_223_372_036_854_771_712


def tree(folder: Path, cgroup: str, files: Mapping[str, object]) -> Tree:
    """The files of a kernel below a folder: what /proc/self/cgroup says, and those of cgroups by path."""
    told = Tree(proc=folder / "proc", cgroups=folder / "cgroup")
    (told.proc / "self").mkdir(parents=True)
    (told.proc / "self" / "cgroup").write_text(cgroup)
    told.cgroups.mkdir()
    for path, content in files.items():
        file = told.cgroups / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    return told


def test_version_2_each_limit_of_the_chain(tmp_path: Path) -> None:
    told = tree(
        tmp_path,
        "0::/system.slice/cron.service\n",
        {
            "cgroup.controllers": "cpu memory pids",
            "system.slice/memory.max": 900 * MB,
            "system.slice/memory.high": 800 * MB,
            "system.slice/memory.current": 500 * MB,
            "system.slice/memory.stat": f"anon 1\ninactive_file {100 * MB}",
            "system.slice/cpu.max": "150000 100000",
            "system.slice/cpu.stat": "usage_usec 2500000\nuser_usec 1",
            "system.slice/pids.max": "max",
            "system.slice/pids.current": 70,
            "system.slice/cron.service/memory.max": 200 * MB,
            "system.slice/cron.service/memory.current": 50 * MB,
            "system.slice/cron.service/memory.stat": "inactive_file 0",
            "system.slice/cron.service/cpu.max": "max 100000",
            "system.slice/cron.service/pids.max": 100,
            "system.slice/cron.service/pids.current": 12,
        },
    )
    found, quota = read_limits(tree=told), read_quota(tree=told)
    assert found.memory == (
        Bound(where="/system.slice/cron.service", total=200 * MB, used=50 * MB),
        Bound(where="/system.slice", total=800 * MB, used=400 * MB),
    )
    assert found.pids == (Bound(where="/system.slice/cron.service", total=100, used=12),)
    assert quota is not None
    assert (quota.where, quota.cores, quota.used_seconds) == ("/system.slice", 1.5, 2.5)


def test_the_group_that_nodes_are_started_in_is_what_counts_for_a_service_manager(tmp_path: Path) -> None:
    told = tree(
        tmp_path,
        "0::/system.slice/cron.service\n",
        {
            "system.slice/cron.service/memory.max": 100 * MB,
            "system.slice/cron.service/memory.current": 90 * MB,
            "system.slice/pids.max": 500,
            "system.slice/pids.current": 20,
        },
    )
    found = read_limits("/system.slice", told)
    assert found.memory == ()
    assert [each.total for each in found.pids] == [500]


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    told = tree(
        tmp_path,
        "4:memory:/box\n3:cpuset:/\n2:cpuacct:/box\n1:cpu:/box\n8:pids:/box\n0::/\n",
        {
            "memory/memory.limit_in_bytes": UNLIMITED,
            "memory/memory.usage_in_bytes": 5000 * MB,
            "memory/box/memory.limit_in_bytes": 260 * MB,
            "memory/box/memory.usage_in_bytes": 250 * MB,
            "memory/box/memory.stat": f"inactive_file 1\ntotal_inactive_file {150 * MB}",
            "cpu/box/cpu.cfs_quota_us": 50000,
            "cpu/box/cpu.cfs_period_us": 100000,
            "cpu/cpu.cfs_quota_us": -1,
            "cpu/cpu.cfs_period_us": 100000,
            "cpuacct/box/cpuacct.usage": 1_500_000_000,
            "pids/box/pids.max": 64,
            "pids/box/pids.current": 63,
        },
    )
    found, quota = read_limits(tree=told), read_quota(tree=told)
    assert found.memory[0] == Bound(where="/box", total=260 * MB, used=100 * MB)
    assert found.pids == (Bound(where="/box", total=64, used=63),)
    assert quota is not None
    assert (quota.cores, quota.used_seconds) == (0.5, 1.5)


@pytest.mark.parametrize(
    ("cgroup", "files"),
    {
        "4:memory:/box\n": {
            "memory/box/memory.limit_in_bytes": 600 * MB,
            "memory/box/memory.usage_in_bytes": 518 * MB,
            "memory/box/memory.stat": f"active_file 1\ntotal_inactive_file {4 * MB}\ntotal_active_file {500 * MB}",
        },
        "0::/box\n": {
            "box/memory.max": 600 * MB,
            "box/memory.current": 518 * MB,
            "box/memory.stat": f"active_file {400 * MB}\ninactive_file {4 * MB}\nslab_reclaimable {100 * MB}",
        },
    }.items(),
    ids=["v1", "v2"],
)
def test_pages_of_files_that_were_read_are_not_in_use(
    tmp_path: Path, cgroup: str, files: Mapping[str, object]
) -> None:
    found = read_limits(tree=tree(tmp_path, cgroup, files)).memory
    assert found == (Bound(where="/box", total=600 * MB, used=14 * MB),)


@pytest.mark.parametrize("told", ["/docker/0a1b", "/docker/0a1b/inside"])
def test_a_container_sees_its_part_of_the_tree_only(tmp_path: Path, told: str) -> None:
    files = {
        "memory/memory.limit_in_bytes": 512 * MB,
        "memory/memory.usage_in_bytes": 12 * MB,
        "memory/inside/memory.limit_in_bytes": 300 * MB,
        "memory/inside/memory.usage_in_bytes": 10 * MB,
    }
    found = read_limits(tree=tree(tmp_path, f"4:memory:{told}\n", files)).memory
    assert [each.total for each in found] == ([300 * MB] if "inside" in told else []) + [512 * MB]


def test_both_versions_at_once_as_systemd_calls_hybrid(tmp_path: Path) -> None:
    told = tree(
        tmp_path,
        "4:memory:/old\n0::/new\n",
        {
            "memory/old/memory.limit_in_bytes": 1 * MB,
            "memory/old/memory.usage_in_bytes": 0,
            "unified/new/pids.max": 9,
            "unified/new/pids.current": 1,
        },
    )
    found = read_limits(tree=told)
    assert ([each.total for each in found.memory], [each.total for each in found.pids]) == ([1 * MB], [9])


@pytest.mark.parametrize("cgroup", ["", "0::/\n", "4:memory:/gone/away\n"])
def test_without_limits_there_is_none(tmp_path: Path, cgroup: str) -> None:
    told = tree(tmp_path, cgroup, {"memory/memory.limit_in_bytes": "what"})
    found = read_limits(tree=told)
    assert (found.memory, found.pids, read_quota(tree=told)) == ((), (), None)


def test_what_the_kernel_tells_of_waiting_and_of_processes(tmp_path: Path) -> None:
    told = tree(tmp_path, "", {})
    assert (read_stalls(told), machine_pids(told)) == ((), None)
    (told.proc / "pressure").mkdir()
    (told.proc / "pressure" / "memory").write_text(
        "some avg10=0.00 avg60=3.50 avg300=0.00 total=1\nfull avg10=0.00 avg60=1.25 avg300=0.00 total=1\n"
    )
    (told.proc / "sys" / "kernel").mkdir(parents=True)
    (told.proc / "sys" / "kernel" / "pid_max").write_text("32768\n")
    (told.proc / "sys" / "kernel" / "threads-max").write_text("9000\n")
    (told.proc / "loadavg").write_text("0.20 0.18 0.12 1/812 11206\n")
    assert read_stalls(told) == (Stall(resource="memory", some_percent=3.5, full_percent=1.25),)
    assert machine_pids(told) == Bound(where="", total=9000, used=812)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is Linux'")
def test_this_kernel_is_understood() -> None:
    assert machine_pids() is not None
    assert all(each.used <= each.total for each in (*read_limits().memory, *read_limits().pids))
