"""Xids in the kernel's log: the real one, and files with its records."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wnm_fleet.core.gpu import Xid
from wnm_fleet.gpu.look import KERNEL_LOG, boot_time, xids

BOOT = datetime(2026, 12, 1, tzinfo=UTC)
CAN_WRITE = os.access(KERNEL_LOG, os.W_OK | os.R_OK)


@pytest.mark.skipif(not CAN_WRITE, reason="writes to the kernel's log, as root")
def test_an_xid_in_the_kernels_own_log_is_found_with_its_time() -> None:
    marker = os.getpid() % 250
    before = datetime.now(UTC)
    Path(KERNEL_LOG).write_text(
        f"<3>NVRM: Xid (PCI:0000:{marker:02x}:00): 79, pid=1, GPU has fallen off the bus.\n"
    )
    found = [each for each in xids(boot_time()) or () if each.pci_bus_id == f"0000:{marker:02x}:00"]
    assert found
    assert found[-1].code == 79
    # The kernel stamps with its own local clock.
    assert abs(found[-1].at - before) < timedelta(seconds=30)


@pytest.mark.skipif(not CAN_WRITE, reason="writes to the kernel's log, as root")
def test_a_line_that_only_quotes_an_xid_is_none() -> None:
    Path(KERNEL_LOG).write_text("<3>somebody said NVRM: Xid (PCI:0000:fe:00): 79, pid=1\n")
    assert [each for each in xids(boot_time()) or () if each.pci_bus_id == "0000:fe:00"] == []


def test_a_log_that_may_not_be_read_is_unseen(tmp_path: Path) -> None:
    assert xids(BOOT, str(tmp_path / "none")) is None


def test_a_record_is_an_xid_with_code_bus_and_time(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_bytes(
        b"3,1042,90000000,-;NVRM: Xid (PCI:0000:18:00): 48, pid=1, a memory error\n SUBSYSTEM=pci\n"
    )
    at = BOOT + timedelta(seconds=90)
    assert xids(BOOT, str(log)) == (Xid(code=48, pci_bus_id="0000:18:00", at=at),)
