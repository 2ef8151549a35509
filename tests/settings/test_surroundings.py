"""The host's facts, the address check, the generated page, and what a quiet cycle does not load."""

import os
import subprocess
import sys
from pathlib import Path
from sysconfig import get_path

import msgspec
import pytest
from msgspec.structs import fields
from scripts.reference.settings import settings_markdown
from tests.settings.hosts import WALLET, given

from wnm.app.context import checksum_error
from wnm.core.errors import nearest
from wnm.core.forms import FAUCET
from wnm.core.layers import resolve
from wnm.core.settings import GROUPS, NAMES, SPECS, Settings
from wnm.sensors.host import usable_cores
from wnm.system.host import host_facts

ROOT = Path(__file__).parents[2]


def program(folder: Path) -> Path:
    """An executable called antnode in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "antnode"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_the_program_in_local_bin_comes_before_the_path(tmp_path: Path) -> None:
    home = tmp_path / "home"
    on_path = program(tmp_path / "bin")
    environ = {"HOME": str(home), "PATH": f"/nowhere::relative:{tmp_path}/bin"}
    assert host_facts(environ, 2.0).program == str(on_path)
    own = program(home / ".local/bin")
    assert host_facts(environ, 2.0).program == str(own)
    own.chmod(0o644)
    assert host_facts(environ, 2.0).program == str(on_path)


def test_a_program_in_the_working_directory_is_not_found(tmp_path: Path) -> None:
    program(tmp_path)
    code = "import os; from wnm.system.host import host_facts; print(host_facts(os.environ, 2.0).program)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"HOME": str(tmp_path / "home"), "PATH": f".::{tmp_path.name}", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "None\n"


@pytest.mark.parametrize("home", ["", "relative"])
def test_a_home_that_is_no_path_is_replaced_by_the_accounts(home: str) -> None:
    assert host_facts({"HOME": home}, 2.0).home.startswith("/")
    assert host_facts({"HOME": home}, 2.0).home == host_facts({}, 2.0).home
    assert host_facts({"HOME": "/"}, 2.0).home == "/"


def test_what_depends_on_the_environment_can_be_handed_to_another_process() -> None:
    """A cycle of root's is told its host as JSON, and os.environ is no value of ours."""
    assert msgspec.to_builtins(host_facts(os.environ, 2.0))["environ"] == dict(os.environ)


def test_the_facts_of_this_machine() -> None:
    host = host_facts({"HOME": "/home/x/"}, 2.0)
    assert host.home == "/home/x"
    assert host.is_root is (os.geteuid() == 0)
    assert host.usable_cores == usable_cores() >= 1
    assert host.ufw_active is None
    assert resolve([given(rewards_address=WALLET)], host).settings.firewall == "null"


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this platform cannot bind a process to cores"
)
def test_only_cores_that_may_be_used_count() -> None:
    code = (
        "import os; from wnm.sensors.host import usable_cores; "
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(usable_cores())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{ROOT / 'src'}:{get_path('purelib')}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert float(done.stdout) <= 1


@pytest.mark.parametrize(
    "address",
    [
        FAUCET,
        # The examples of https://eips.ethereum.org/EIPS/eip-55: all capitals, all small letters, and both.
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_checksums(address: str) -> None:
    assert checksum_error(address) is None
    mistyped = f"{address[:20]}{address[20:].swapcase()}"
    assert "checksum" in str(checksum_error(mistyped))


def test_a_quiet_cycle_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """Settings from the database and the environment, an address in mixed case among them."""
    code = f"""
import sys
from pathlib import Path
from wnm.app.context import checksum_error
from wnm.app.sources import gather
from wnm.cli.parse import parse
from wnm.core.layers import Layer, resolve
from wnm.system.host import host_facts
host = host_facts({{"HOME": {str(tmp_path)!r}, "WNM_NODE_CAP": "5"}}, 2.0)
database = Layer(name="database", values={{"rewards_address": {FAUCET!r}}})
found = gather(parse(["--cpu_remove", "90"]), host, folder=Path({str(tmp_path)!r}), root_file=Path("/nowhere/x"))
resolve([*found.layers, database], host, check_address=checksum_error)
loaded = {{name.partition(".")[0] for name in sys.modules}}
slow = ["argparse", "configargparse", "dotenv", "Crypto", "difflib", "shutil", "subprocess", "psutil"]
print([name for name in slow if name in loaded])
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": f"{ROOT / 'src'}:{get_path('purelib')}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_the_page_of_settings_is_what_the_declarations_say() -> None:
    written = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    assert written == settings_markdown(), "run 'python scripts/generate_docs.py'"


def test_the_check_of_generated_pages_can_fail(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    copy = scripts / "generate_docs.py"
    copy.write_text((ROOT / "scripts/generate_docs.py").read_text(encoding="utf-8"), encoding="utf-8")
    (scripts / "reference").symlink_to(ROOT / "scripts/reference")
    (tmp_path / "tests").symlink_to(ROOT / "tests")

    def run(*options: str) -> int:
        return subprocess.run(
            [sys.executable, str(copy), *options],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            timeout=30,
            check=False,
        ).returncode

    assert run("--check") == 1
    assert run() == 0
    assert run("--check") == 0
    page = tmp_path / "docs/reference/settings.md"
    page.write_text(page.read_text(encoding="utf-8") + "drift", encoding="utf-8")
    assert run("--check") == 1


def test_the_page_has_every_setting() -> None:
    page = settings_markdown()
    for name, spec in SPECS.items():
        assert f"| `{name}`" in page
        assert spec.default_shown in page


def test_fields_have_the_defaults_that_do_not_depend_on_the_host() -> None:
    without = {field.name for field in fields(Settings) if field.required}
    assert without == {name for name, spec in SPECS.items() if callable(spec.default)} | {"rewards_address"}


def test_declarations_are_complete() -> None:
    assert set(GROUPS) <= set(SPECS)
    assert next(iter(SPECS)) in GROUPS
    assert len(NAMES) == sum(len(spec.names) for spec in SPECS.values())
    assert all(spec.meaning and spec.default_shown for spec in SPECS.values())


@pytest.mark.parametrize(
    ("name", "found"),
    [("--node-capp", "--node_cap"), ("NODE_CAP", "--node_cap"), ("--dry", "--dry_run"), ("xyz", None)],
)
def test_suggestions(name: str, found: str | None) -> None:
    assert nearest(name, ["--node_cap", "--dry_run"]) == found
