"""A real shell that takes a report over with eval, and says what it then holds."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def evaluated(report: str, folder: Path, names: list[str]) -> Mapping[str, str]:
    """The values of these variables after `eval "$(cat report)"` in an empty environment."""
    file = folder / "report.env"
    file.write_text(report, encoding="utf-8")
    script = f'eval "$(cat {file.name})"; for name in "$@"; do eval "printf \'%s\\\\0\' \\"\\$$name\\""; done'
    ran = subprocess.run(
        ["sh", "-eu", "-c", script, "sh", *names],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stderr == b""
    values = ran.stdout.decode().split("\0")[:-1]
    return dict(zip(names, values, strict=True))
