"""What the setsid driver promises beyond the others, by whose process table it goes."""

import signal
import subprocess
import sys
import time

from tests.contracts.workbench import GRACE, Workbench, answers
from tests.waiting import eventually

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
