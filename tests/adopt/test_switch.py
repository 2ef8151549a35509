"""The order of a takeover on real files: whatever interrupts it, it goes on, or the machine is as it was."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.adopt.test_folder import picture

from wnm.core.errors import NeedsOperator, WnmError
from wnm_adopt.anm_settings import running_anms
from wnm_adopt.plan import Source, TakeoverPlan
from wnm_adopt.takeover_folder import REPLACED, Manifest, Step, TakeoverFolder, takeovers
from wnm_adopt.taking_over import switch_over


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Killed(BaseException):
    """The process is gone at this very instant: nothing is tidied up."""


class Scene(Source):
    """A machine with an old manager of two files, and a database that is a file."""

    name = "anm"
    switches_off = True

    def __init__(self, place: Path) -> None:
        self.place, self.clock = place, Clock()
        self.runs_until = 0.0
        self.problems_later: tuple[str, ...] = ()
        self.told: list[str] = []
        self.cron, self.config = place / "etc/cron", place / "etc/config"
        self.made, self.database = place / "etc/made", place / "data/colony.db"

    def set_up(self) -> "Scene":
        self.cron.parent.mkdir()
        self.database.parent.mkdir()
        self.cron.write_text("* * * * * root manager\n")
        self.config.write_text("NodeCap=3\n")
        self.before = picture(self.cron.parent)
        return self

    def plan(self, *, problems: tuple[str, ...] = ()) -> TakeoverPlan:
        return TakeoverPlan(
            source="anm",
            kept=(str(self.cron), str(self.config)),
            taken_out=(str(self.cron),),
            made=((str(self.made), "new\n"),),
            problems=problems,
        )

    def folder(self) -> TakeoverFolder:
        """The one that was begun, else a new one."""
        begun = [each for each in takeovers(str(self.database.parent)) if each.manifest.undone_at is None]
        manifest = Manifest(source="anm", database=str(self.database), began_at=self.clock.now())
        return begun[-1] if begun else TakeoverFolder.create(str(self.database.parent), manifest)

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        assert not self.cron.exists(), "it is read again once nothing can start from it"
        return self.plan(problems=self.problems_later)

    def running(self) -> tuple[int, ...]:
        if self.clock.seconds >= self.runs_until:
            return ()
        # The old manager writes to the very end of its run.
        self.config.write_text(f"NodeCap=3 # {self.clock.seconds}\n")
        return (77,)

    def write(self, plan: TakeoverPlan) -> None:
        self.database.write_text(",".join(plan.kept))

    def switch_over(self, *, say: Callable[[str], None] | None = None) -> TakeoverFolder:
        folder = self.folder()
        switch_over(folder, self.plan(), self, self.write, self.clock, say or self.told.append)
        return folder

    def dying(self, at: int, die: Callable[[], None]) -> Callable[[str], None]:
        """Say as many lines, then die instead."""

        def say(text: str) -> None:
            if len(self.told) == at:
                die()
            self.told.append(text)

        return say


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path).set_up()


def test_everything_is_kept_switched_off_and_written(scene: Scene) -> None:
    folder = scene.switch_over()
    assert scene.database.exists()
    assert scene.made.read_text() == "new\n"
    assert not scene.cron.exists()
    assert scene.config.exists()
    assert [step for step, _ in folder.manifest.steps] == list(Step)[:4]
    folder.give_back(scene.clock.now())
    assert picture(scene.cron.parent) == scene.before


def test_the_end_of_a_run_that_is_under_way_is_waited_for_and_what_it_wrote_last_is_kept(
    scene: Scene,
) -> None:
    scene.runs_until = 42.0
    folder = scene.switch_over()
    assert scene.clock.seconds >= 41.5 + 3
    assert folder.content(str(scene.config)) == scene.config.read_bytes()
    assert b"41.5" in scene.config.read_bytes()


def test_a_run_that_never_ends_gets_its_machine_back(scene: Scene) -> None:
    scene.runs_until = 1e9
    with pytest.raises(NeedsOperator, match="77"):
        scene.switch_over()
    assert scene.cron.exists()
    assert not scene.database.exists()
    assert takeovers(str(scene.database.parent))[0].manifest.undone_at is not None


def test_what_is_in_the_way_only_now_gives_the_machine_back(scene: Scene) -> None:
    scene.problems_later = ("config:3 says $(date)",)
    with pytest.raises(NeedsOperator, match="config:3"):
        scene.switch_over()
    assert picture(scene.cron.parent) == scene.before


KILL = """
import os, sys
from pathlib import Path
from tests.adopt.test_switch import Scene
scene = Scene(Path(sys.argv[1]))
scene.switch_over(say=scene.dying(int(sys.argv[2]), lambda: os._exit(9)))
"""


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("then", ["goes on", "goes back"])
def test_killed_at_any_step_it_goes_on_or_back(scene: Scene, step: int, then: str) -> None:
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILL, str(scene.place), str(step)], cwd=root, check=False, capture_output=True
    )
    died = killed.returncode == 9
    assert died or step == 4, killed.stderr
    again = Scene(scene.place)
    if then == "goes back":
        again.folder().give_back(again.clock.now())
        assert picture(scene.cron.parent) == scene.before
        return
    again.switch_over()
    assert again.database.exists()
    assert not again.cron.exists()
    assert again.made.exists()
    takeovers(str(again.database.parent))[-1].give_back(again.clock.now())
    assert picture(scene.cron.parent) == scene.before


def test_a_database_that_was_lost_is_written_anew_and_the_way_back_stays_the_same(scene: Scene) -> None:
    scene.switch_over()
    scene.database.unlink()
    scene.config.write_text("somebody was here since\n")
    scene.problems_later = ("config:3 says $(date)",)
    with pytest.raises(NeedsOperator, match="config:3"):
        scene.switch_over()
    assert not scene.cron.exists(), "the old manager knows nothing of what was done since"
    scene.problems_later = ()
    folder = scene.switch_over()
    assert scene.database.exists()
    for kept in folder.manifest.kept:
        folder.restore(kept)
    assert picture(scene.cron.parent) == scene.before


def test_an_operator_who_interrupts_the_waiting_gets_the_machine_back(scene: Scene) -> None:
    scene.runs_until = 1e9

    def interrupt() -> None:
        raise Killed

    with pytest.raises(Killed):  # as Ctrl-C would, at the first word of the waiting
        scene.switch_over(say=scene.dying(2, interrupt))
    scene.folder().give_back(scene.clock.now())
    assert scene.cron.read_text() == "* * * * * root manager\n"
    assert not scene.database.exists()


def test_the_old_manager_comes_back_even_where_there_is_no_room_to_tidy_up(scene: Scene) -> None:
    folder = scene.switch_over()
    (folder.path / REPLACED).write_text("in the way of what is to be set aside")
    with pytest.raises(WnmError):
        folder.give_back(scene.clock.now())
    assert scene.cron.read_text() == "* * * * * root manager\n"
    (folder.path / REPLACED).unlink()
    scene.folder().give_back(scene.clock.now())
    assert picture(scene.cron.parent) == scene.before


ASK = """
import os, sys
from wnm_adopt.anm_settings import running_anms
pids = running_anms(sys.argv[1])
print(os.getppid() in pids, int(sys.argv[2]) in pids)
"""


def test_a_shell_that_will_run_the_script_after_us_is_not_waited_for(tmp_path: Path) -> None:
    script = tmp_path / "anms.sh"
    script.write_text("read -r\n")
    with subprocess.Popen(["bash", str(script)], stdin=subprocess.PIPE) as running:
        given = f"{sys.executable} -c '{ASK}' {script} {running.pid}; : {script}"
        told = subprocess.run(["bash", "-c", given], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "True"]


def test_only_shells_that_run_the_script_count_as_running(tmp_path: Path) -> None:
    script = tmp_path / "anms.sh"
    script.write_text("sleep 60\n")
    tail = subprocess.Popen(["tail", "-f", str(script)], stdout=subprocess.DEVNULL)
    shell = subprocess.Popen(["bash", str(script)], start_new_session=True)
    try:
        time.sleep(0.2)
        found = running_anms(str(script))
        assert shell.pid in found
        assert tail.pid not in found
    finally:
        tail.kill()
        os.killpg(shell.pid, 9)
        tail.wait()
        shell.wait()
