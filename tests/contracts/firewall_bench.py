"""A ufw to try the firewall on: the real one of a test machine, or a stand-in that touches no firewall."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from wnm.core.observation import FirewallReading
from wnm.firewall.ufw import UfwFirewall

STAND_IN = Path(__file__).with_name("ufw_stand_in.py")
ETC = Path("/etc")


def real_ufw() -> str | None:
    """The ufw that may be tried here: only that of a machine which is there for tests."""
    mine = os.environ.get("IN_WNM_TEST_MACHINE") == "1" and os.geteuid() == 0
    return shutil.which("ufw") if mine else None


needs_real = pytest.mark.skipif(real_ufw() is None, reason="no ufw that may be changed: use a test machine")


def script(path: Path, text: str) -> str:
    """Write a program for the shell; returns its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class UfwBench:
    """A ufw, switched on and without rules. `program` calls it and notes that it did."""

    ufw: str
    folder: Path
    defaults: Path

    @property
    def program(self) -> str:
        """What the firewall is given: calls are written down."""
        return script(self.folder / "counting-ufw", f'echo "$*" >>{self.log}\nexec {self.ufw} "$@"')

    @property
    def log(self) -> Path:
        """Where `program` writes its calls down."""
        return self.folder / "calls"

    def calls(self) -> Sequence[str]:
        """The calls that `program` got, and forget them."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def do(self, *words: str) -> str:
        """What somebody at a terminal does; returns what ufw prints."""
        done = subprocess.run([self.ufw, *words], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def firewall(self, program: str | None = None) -> UfwFirewall:
        """The firewall as a new cycle has it."""
        return UfwFirewall(program or self.program, settings_files=(str(self.defaults),))

    def seen(self) -> FirewallReading:
        """What a new cycle sees."""
        reading = self.firewall().read()
        assert isinstance(reading, FirewallReading)
        return reading

    def everything(self) -> str:
        """All that ufw says of its rules."""
        return self.do("show", "added") + self.do("status", "numbered")

    def look_after_ipv6(self, wanted: bool) -> None:
        """Change that setting of ufw and let it take note."""
        before, after = ("no", "yes") if wanted else ("yes", "no")
        text = self.defaults.read_text()
        assert f"IPV6={before}" in text
        self.defaults.write_text(text.replace(f"IPV6={before}", f"IPV6={after}"))
        self.do("disable")
        self.do("--force", "enable")

    def preload(self, rules: dict[int, str]) -> None:
        """Give ufw rules for UDP ports with these comments faster than by calling it for each."""
        if self.ufw == real_ufw():
            self.do("disable")
            _preload_real("user.rules", "ufw", "0.0.0.0/0", rules)
            _preload_real("user6.rules", "ufw6", "::/0", rules)
            self.do("--force", "enable")
        else:
            environment = {**os.environ, "UFW_STAND_IN": str(self.folder)}
            code = (
                f"import sys; sys.path.insert(0, {str(STAND_IN.parent)!r}); import ufw_stand_in as it\n"
                f"rules = [it.parsed(['allow', f'{{p}}/udp', 'comment', c]) for p, c in {rules!r}.items()]\n"
                "it.keep(it.added([], [each for pair in rules for each in pair]))"
            )
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def _preload_real(file: str, chain: str, anywhere: str, rules: dict[int, str]) -> None:
    path = ETC / "ufw" / file
    lines = [
        f"\n### tuple ### allow udp {port} {anywhere} any {anywhere} in comment={comment.encode().hex()}\n"
        f"-A {chain}-user-input -p udp --dport {port} -j ACCEPT\n"
        for port, comment in rules.items()
    ]
    head, mark, tail = path.read_text().partition("### RULES ###\n")
    assert mark
    path.write_text(head + mark + "".join(lines) + tail)


@contextmanager
def stand_in(folder: Path) -> Iterator[UfwBench]:
    """A bench with the stand-in."""
    ufw = folder / "ufw"
    ufw.write_text(f"#!{sys.executable} -IS\n" + STAND_IN.read_text())
    ufw.chmod(0o755)
    defaults = folder / "default"
    defaults.write_text("IPV6=yes\n")
    bench = UfwBench(ufw=str(ufw), folder=folder, defaults=defaults)
    bench.do("enable")
    yield bench


@contextmanager
def real(folder: Path) -> Iterator[UfwBench]:
    """A bench with the real ufw, which is as if new before and afterwards."""
    ufw = real_ufw()
    assert ufw is not None
    defaults = ETC / "default" / "ufw"
    before = defaults.read_bytes()
    bench = UfwBench(ufw=ufw, folder=folder, defaults=defaults)
    _reset(bench)
    bench.do("--force", "enable")
    try:
        yield bench
    finally:
        defaults.write_bytes(before)
        _reset(bench)


def _reset(bench: UfwBench) -> None:
    bench.do("--force", "reset")
    # It keeps the old rules under the second of the day, and refuses to do so twice in one.
    for old in (ETC / "ufw").glob("*.rules.2*"):
        old.unlink()
