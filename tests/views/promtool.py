"""The real promtool, where there is one: the judge of what Prometheus takes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


def promtool(*words: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it; a test that needs it is skipped where it is not installed."""
    if PROMTOOL is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return subprocess.run(
        [PROMTOOL, *map(str, words)], input=given, capture_output=True, text=True, check=False, timeout=120
    )
