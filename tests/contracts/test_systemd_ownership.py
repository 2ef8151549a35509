"""What the systemd driver touches: the units that wnm wrote for the very node, and nothing of anybody else's."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contracts.services import (
    FOLDER,
    OTHER_FOLDER,
    SCOPE,
    boot_link,
    drop_in,
    shown,
    systemctl,
    unit_file,
)
from tests.contracts.workbench import GRACE, Workbench, answers, names_in
from tests.waiting import eventually

from wnm.core.contracts import Unit
from wnm.core.errors import NeedsOperator, Permanent
from wnm.core.node import ProcessState
from wnm.core.observation import Unseen
from wnm.formats.systemd_unit import SLICE_TEXT

pytestmark = pytest.mark.systemd

FOREIGN = "[Service]\nExecStart=/bin/sleep 1000\n"
SLICE = FOLDER / "wnm.slice"


@pytest.fixture
def unit(systemd: Workbench) -> Iterator[Unit]:
    """A unit whose name nobody has yet; whatever has it afterwards is cleared away."""
    node = systemd.node(7)
    Path(node.root_dir).mkdir()
    made = systemd.unit(node)
    yield made
    if made_by_somebody_else(made):
        systemctl("stop", made.name, check=False)
    for folder in (FOLDER, OTHER_FOLDER):
        path = folder / unit_file(made).name
        if made_by_somebody_else(made, folder):
            path.unlink()
    shutil.rmtree(f"{unit_file(made)}.d", ignore_errors=True)
    systemctl("daemon-reload")


def made_by_somebody_else(unit: Unit, folder: Path = FOLDER) -> bool:
    path = folder / unit_file(unit).name
    return path.is_symlink() or (path.exists() and f'"{unit.working_dir}"' not in path.read_text())


def refuse_all(systemd: Workbench, unit: Unit, *, match: str, but: str = "") -> None:
    """Every change of the unit is refused, and its state is not guessed."""
    changes: dict[str, Callable[[], object]] = {
        "install": lambda: systemd.driver.install(unit),
        "start": lambda: systemd.driver.start(unit),
        "stop": lambda: systemd.driver.stop(unit, GRACE),
        "remove": lambda: systemd.driver.remove(unit),
    }
    for name, change in changes.items():
        if name != but:
            with pytest.raises(Permanent, match=match):
                change()
    seen = systemd.driver.status([unit])[unit.name]
    assert isinstance(seen, Unseen)
    assert "wnm did not write" in seen.reason or "wnm wrote" in seen.reason or "masked" in seen.reason


def test_a_unit_of_somebody_else_is_left_alone(systemd: Workbench, unit: Unit) -> None:
    unit_file(unit).write_text(FOREIGN)
    systemctl("start", unit.name)
    pid = shown(unit, "MainPID")
    refuse_all(systemd, unit, match=str(unit_file(unit)))
    assert unit_file(unit).read_text() == FOREIGN
    assert shown(unit, "MainPID") == pid != "0"
    assert not boot_link(unit).is_symlink()
    assert systemd.driver.claimed()[unit.name] == str(unit_file(unit))


def test_a_unit_that_wnm_wrote_for_another_folder_is_left_alone(systemd: Workbench, unit: Unit) -> None:
    elsewhere = replace(unit, working_dir=str(systemd.folder))
    systemd.driver.install(elsewhere)
    text = unit_file(unit).read_text()
    refuse_all(systemd, unit, match=f"for {elsewhere.working_dir}, not for")
    assert unit_file(unit).read_text() == text
    systemd.driver.remove(elsewhere)


@pytest.mark.parametrize("target", ["/dev/null", "a file"])
def test_a_link_in_its_place_is_left_alone(systemd: Workbench, unit: Unit, target: str) -> None:
    file = systemd.folder / "file"
    systemd.driver.install(unit)
    file.write_text(unit_file(unit).read_text())
    text = file.read_text()
    systemd.driver.remove(unit)
    systemd.driver.settle()
    unit_file(unit).symlink_to(target if target == "/dev/null" else file)
    refuse_all(systemd, unit, match="masked" if target == "/dev/null" else "link to")
    assert unit_file(unit).is_symlink()
    assert file.read_text() == text


def test_a_unit_in_another_folder_is_left_alone(systemd: Workbench, unit: Unit) -> None:
    OTHER_FOLDER.mkdir(parents=True, exist_ok=True)
    other = OTHER_FOLDER / unit_file(unit).name
    other.write_text(FOREIGN)
    systemctl("daemon-reload")
    systemctl("start", unit.name)
    pid = shown(unit, "MainPID")
    refuse_all(systemd, unit, match=str(other), but="remove")
    systemd.driver.remove(unit)
    assert other.read_text() == FOREIGN
    assert not unit_file(unit).exists()
    assert shown(unit, "MainPID") == pid != "0"
    systemctl("stop", unit.name)


def test_names_that_lead_elsewhere_are_refused(systemd: Workbench, unit: Unit) -> None:
    for name in ("../x", "a/b", "", ".", "a\nb", "x.service", "-x", "a b", "*"):
        bad = replace(unit, name=name)
        for refused in (systemd.driver.install, systemd.driver.start, systemd.driver.remove):
            with pytest.raises(Permanent, match="name of a unit"):
                refused(bad)
        with pytest.raises(Permanent, match="name of a unit"):
            systemd.driver.stop(bad, GRACE)
        assert isinstance(systemd.driver.status([bad])[name], Unseen)


def test_what_an_operator_adds_stays(systemd: Workbench) -> None:
    node = systemd.created()
    unit = systemd.unit(node)
    text = "[Service]\nEnvironment=ADDED=yes\n"
    with drop_in(unit, text) as added:
        systemd.driver.start(unit)
        assert "ADDED=yes" in shown(unit, "Environment")
        systemd.driver.start(replace(unit, environment=(("NEW", "1"),)))
        assert "ADDED=yes" in shown(unit, "Environment")
        systemd.driver.stop(unit, GRACE)
        systemd.driver.remove(unit)
        systemd.driver.settle()
        assert added.read_text() == text


def test_removed_means_that_systemd_does_not_know_it(systemd: Workbench) -> None:
    before = {path for path in FOLDER.rglob("*") if "wnm.slice" not in path.name}
    node = systemd.created()
    unit = systemd.unit(node)
    systemd.driver.start(unit)
    eventually(lambda: answers(node.metrics_port))
    systemctl("daemon-reload")  # now it is wanted by the target, in memory too
    systemd.driver.stop(unit, GRACE)
    systemd.driver.remove(unit)
    systemd.driver.settle()
    assert unit.name not in systemctl("list-units", "--all", "--plain", "--no-legend")
    assert unit.name not in systemctl("list-unit-files", "--no-legend")
    assert {path for path in FOLDER.rglob("*") if "wnm.slice" not in path.name} - before <= {
        boot_link(unit).parent
    }
    assert systemd.pids(node) == []
    assert unit.name not in systemd.driver.claimed()


def test_a_running_one_whose_file_was_lost_is_known_and_gets_it_back(systemd: Workbench) -> None:
    node = systemd.created()
    unit = systemd.unit(node)
    systemd.driver.start(unit)
    (pid,) = systemd.pids(node)
    text = unit_file(unit).read_text()
    for reload in (False, True):
        unit_file(unit).unlink()
        if reload:
            systemctl("daemon-reload")
        assert systemd.reading(unit).pid == pid
        systemd.driver.start(unit)
        assert unit_file(unit).read_text() == text
        assert systemd.pids(node) == [pid]
    unit_file(unit).unlink()
    systemctl("daemon-reload")
    systemd.driver.stop(unit, GRACE)
    assert systemd.pids(node) == []
    assert systemd.reading(unit).state is ProcessState.STOPPED


def test_the_slice_comes_with_the_first_and_goes_with_the_last(systemd: Workbench) -> None:
    first, second = (systemd.unit(systemd.node(number)) for number in (1, 2))
    assert not SLICE.exists()
    systemd.driver.install(first)
    systemd.driver.install(second)
    assert SLICE.read_text() == SLICE_TEXT
    systemd.driver.remove(first)
    assert SLICE.read_text() == SLICE_TEXT
    systemd.driver.remove(second)
    assert not SLICE.exists()


def test_a_slice_that_an_operator_changed_stays_as_it_is(systemd: Workbench) -> None:
    unit = systemd.unit(systemd.node())
    systemd.driver.install(unit)
    text = f"{SLICE_TEXT}MemoryMax=8G\n"
    SLICE.write_text(text)
    try:
        systemd.driver.remove(unit)
        systemd.driver.install(unit)
        systemd.driver.remove(unit)
        assert SLICE.read_text() == text
    finally:
        SLICE.unlink()


def test_a_log_that_is_a_link_is_not_written_to(systemd: Workbench, unit: Unit) -> None:
    precious = systemd.folder / "precious"
    precious.write_text("years of work")
    Path(unit.log_file).parent.mkdir(parents=True)
    Path(unit.log_file).symlink_to(precious)
    for refused in (systemd.driver.install, systemd.driver.start):
        with pytest.raises(Permanent, match="not a plain file"):
            refused(unit)
    assert precious.read_text() == "years of work"
    assert not unit_file(unit).exists()


def test_a_log_that_others_could_put_a_link_in_place_of_is_refused(systemd: Workbench, unit: Unit) -> None:
    logs = Path(unit.log_file).parent
    logs.mkdir(parents=True)
    if SCOPE == "user":
        logs.chmod(0o777)
        systemd.driver.install(unit)  # A user's own systemd opens nothing as root.
        assert unit_file(unit).exists()
        return
    link = systemd.folder / "link"
    link.symlink_to(logs)
    through_link = replace(unit, log_file=str(link / Path(unit.log_file).name))
    for owner, mode in ((0, 0o777), (65534, 0o755)):
        os.chown(logs, owner, -1)
        logs.chmod(mode)
        for each in (unit, through_link):
            for refused in (systemd.driver.install, systemd.driver.start):
                with pytest.raises(NeedsOperator, match=f"can change what lies in {logs}") as caught:
                    refused(each)
                assert f"chown root {logs}" in caught.value.remedy
        assert names_in(logs) == []
        assert not unit_file(unit).exists()
    os.chown(logs, 0, -1)
    logs.chmod(0o1777)
    systemd.driver.install(unit)
    assert names_in(logs) == [Path(unit.log_file).name]


def test_files_are_readable_by_all_and_logs_by_nobody_else(systemd: Workbench, unit: Unit) -> None:
    systemd.driver.install(unit)
    assert unit_file(unit).stat().st_mode & 0o777 == SLICE.stat().st_mode & 0o777 == 0o644
    assert Path(unit.log_file).stat().st_mode & 0o777 == 0o600
    Path(unit.log_file).write_text("before\n")
    os.utime(unit_file(unit), (1, 1))
    systemd.driver.install(unit)
    assert unit_file(unit).stat().st_mtime == 1
    assert Path(unit.log_file).read_text() == "before\n"
    assert [name for name in names_in(FOLDER) if name.startswith(".")] == []
