"""What systemctl shows of units; the texts are systemd's own, one for each state that a node can be in."""

from pathlib import Path

import pytest

from wnm.core.node import ProcessState
from wnm.formats.systemd_unit import Shown, read_units

CASES = Path(__file__).parent / "cases" / "systemd_show"
RUNNING, STOPPED, FAILED = ProcessState.RUNNING, ProcessState.STOPPED, ProcessState.FAILED


def _case(name: str) -> Shown:
    (shown,) = read_units((CASES / f"{name}.txt").read_text())
    return shown


@pytest.mark.parametrize(
    ("name", "state", "pid"),
    [
        ("running", RUNNING, 2740),
        ("starting", RUNNING, 2781),
        ("stopping", RUNNING, 2764),
        ("main_gone_rest_ending", RUNNING, None),
        ("stopped", STOPPED, None),
        ("not_found", STOPPED, None),
        ("masked", STOPPED, None),
        ("bad_setting", STOPPED, None),
        ("waiting_to_restart", FAILED, None),
        ("killed_and_waiting", FAILED, None),
        ("program_missing", FAILED, None),
        ("crash_loop_ended", FAILED, None),
        ("start_refused", FAILED, None),
        ("killed", FAILED, None),
    ],
)
def test_every_state_has_its_meaning(name: str, state: ProcessState, pid: int | None) -> None:
    shown = _case(name)
    assert (shown.state, shown.pid) == (state, pid)


def test_every_case_is_looked_at() -> None:
    assert len(list(CASES.iterdir())) == 15


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("waiting_to_restart", "code 7"),
        ("killed_and_waiting", "signal 9"),
        ("program_missing", "code 203/EXEC (it cannot be run)"),
        ("main_gone_rest_ending", "code 0"),
    ],
)
def test_how_it_ended_is_said(name: str, ending: str) -> None:
    assert _case(name).ending == ending


def test_what_is_known_of_the_unit_itself() -> None:
    assert _case("running").fragment == "/etc/systemd/system/antnode0001.service"
    assert (_case("not_found").load, _case("not_found").fragment) == ("not-found", "")
    assert _case("masked").load == "masked"


def test_two_hundred_units_come_in_the_order_asked_for() -> None:
    units = read_units((CASES / "two_hundred.txt").read_text())
    assert [unit.id for unit in units] == [f"antnode{number:04}.service" for number in range(1, 201)]
    assert [unit.state for unit in units[:3]] == [RUNNING, FAILED, FAILED]
    assert {unit.load for unit in units[12:]} == {"not-found"}


@pytest.mark.parametrize("active", ["active", "reloading", "refreshing"])
def test_one_that_is_up_counts_as_running(active: str) -> None:
    (unit,) = read_units(
        (CASES / "running.txt").read_text().replace("ActiveState=active", f"ActiveState={active}")
    )
    assert unit.state is RUNNING


@pytest.mark.parametrize("sub", ["auto-restart", "auto-restart-queued"])
def test_newer_versions_say_more_of_the_pause_before_a_restart(sub: str) -> None:
    text = (CASES / "waiting_to_restart.txt").read_text()
    (unit,) = read_units(text.replace("SubState=auto-restart", f"SubState={sub}"))
    assert unit.state is FAILED


def test_one_that_has_no_process_yet_is_not_running() -> None:
    (unit,) = read_units((CASES / "starting.txt").read_text().replace("MainPID=2781", "MainPID=0"))
    assert unit.state is STOPPED


def test_nothing_asked_is_nothing_shown() -> None:
    assert read_units("") == ()


@pytest.mark.parametrize("text", ["nonsense", "Id=x.service\n", "MainPID=many\n"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="did not say"):
        read_units(text)
    with pytest.raises(ValueError, match="MainPID"):
        read_units((CASES / "running.txt").read_text().replace("MainPID=2740", "MainPID=many"))
