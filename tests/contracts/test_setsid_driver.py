"""What the setsid driver promises beyond the others, by whose process table it goes."""

import signal
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace
from tests.contracts.workbench import GRACE, Workbench, answers
from tests.waiting import eventually

from wnm.core.errors import Permanent

SLEEPER = "import time; time.sleep(60)"


def test_every_one_of_several_processes_is_stopped_and_the_newest_reported(setsid: Workbench) -> None:
    node = setsid.created()
    setsid.driver.start(setsid.unit(node))
    eventually(lambda: answers(node.metrics_port))
    time.sleep(0.05)  # births are counted in hundredths of a second
    argv = [sys.executable, "-c", SLEEPER, f"--root-dir={node.root_dir}/"]
    twin = subprocess.Popen(argv)
    eventually(lambda: setsid.reading(setsid.unit(node)).pid == twin.pid)
    setsid.driver.stop(setsid.unit(node), GRACE)
    assert twin.wait(5) == -signal.SIGTERM
    assert setsid.pids(node) == []


def test_a_folder_that_a_process_works_in_by_another_name_is_not_started_in_again(setsid: Workbench) -> None:
    node = setsid.created()
    setsid.driver.start(setsid.unit(node))
    link = setsid.storage.with_name("link")
    link.symlink_to(setsid.storage)
    alias = replace(node, root_dir=f"{link}/{node.name}", port=node.port + 1)
    with pytest.raises(
        Permanent, match=f"works in {link}/{node.name} already, which it knows as {node.root_dir}"
    ):
        setsid.driver.start(setsid.unit(alias))
    assert len(setsid.pids(node)) == 1
    assert setsid.pids(alias) == []
