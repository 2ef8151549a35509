"""Nodes that run as an account of their own: what belongs to whom. Their programs are not started here."""

import dataclasses
import os
import stat
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contracts.workbench import Workbench, names_in

from wnm.act.places import mark
from wnm.core.contracts import Unit
from wnm.core.errors import NeedsOperator, Permanent, Transient
from wnm.core.node import Node
from wnm.core.observation import ProcessReading, Unseen
from wnm.core.places import Marker
from wnm.system.accounts import Account, find, open_way
from wnm.system.command import CommandFailed, run

SOON = timedelta(seconds=10)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to another account")


class NotingDriver:
    """Notes the units that it is given and runs nothing."""

    name = "noting"
    restarts = True

    def __init__(self) -> None:
        self.installed: list[Unit] = []

    @property
    def folders(self) -> Sequence[str]:
        return ()

    def install(self, unit: Unit) -> None:
        self.installed.append(unit)

    def start(self, unit: Unit) -> None:
        self.installed.append(unit)

    def stop(self, unit: Unit, grace: timedelta) -> bool:
        return False

    def status(self, units: Sequence[Unit]) -> Mapping[str, ProcessReading | Unseen]:
        return {}

    def remove(self, unit: Unit) -> None:
        self.installed = [each for each in self.installed if each.name != unit.name]

    def claimed(self) -> Mapping[str, str]:
        return {}

    def settle(self) -> None:
        pass


class FailingDriver(NotingDriver):
    """Makes the log, as that of systemd does, and finds no room for the unit."""

    def install(self, unit: Unit) -> None:
        Path(unit.log_file).touch()
        raise Transient("no room")


@pytest.fixture
def bench(tmp_path: Path, programs: Mapping[str, Path]) -> Workbench:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o001)
    return Workbench(
        folder=tmp_path, program=programs["0.4.17"], newer=programs["0.4.18"], driver=NotingDriver()
    )


@pytest.fixture
def nobody() -> Account:
    account = find("nobody")
    assert account is not None
    return account


def owned(bench: Workbench, **changes: object) -> Node:
    return replace(bench.node(), user="nobody", **changes)


def unit_of(bench: Workbench) -> Unit:
    assert isinstance(bench.driver, NotingDriver)
    return bench.driver.installed[-1]


def owner_and_mode(path: str | Path) -> tuple[int, int, int]:
    seen = Path(path).lstat()
    return seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)


def test_its_folders_are_its_own_and_its_program_is_ours(bench: Workbench, nobody: Account) -> None:
    node = owned(bench)
    bench.manager().create_node(node, str(bench.program))
    private = (nobody.pw_uid, nobody.pw_gid, 0o700)
    assert owner_and_mode(node.root_dir) == owner_and_mode(node.log_dir) == private
    assert owner_and_mode(node.program) == (0, 0, 0o755)
    assert owner_and_mode(bench.storage) == owner_and_mode(bench.logs) == (0, 0, 0o755)
    unit = unit_of(bench)
    assert unit.user == "nobody"
    assert unit.writable == (node.root_dir, node.log_dir)
    assert unit.read_only == (node.program,)


def test_storage_folders_that_are_made_to_be_marked_can_be_passed_by_it(
    bench: Workbench, nobody: Account
) -> None:
    folder, before = bench.storage.parent / "made" / "nodes", os.umask(0o077)
    try:
        mark(str(folder), Marker(database="ours", folder="here"), passable=True)
    finally:
        os.umask(before)
    open_way(f"{folder}/antnode0001", nobody, ours=[str(folder)])


def test_its_output_goes_to_a_file_that_it_cannot_replace(bench: Workbench) -> None:
    node = owned(bench)
    bench.manager().create_node(node, str(bench.program))
    log = Path(unit_of(bench).log_file)
    assert log.parent == bench.logs
    assert log.name == "antnode0001.stdout.log"


def test_home_is_its_folder_unless_the_operator_chose_one(bench: Workbench) -> None:
    node = owned(bench, environment=(("ANT_LOG", "v"),))
    bench.manager().create_node(node, str(bench.program))
    assert unit_of(bench).environment == (("HOME", node.root_dir), ("ANT_LOG", "v"))
    bench.manager().start_node(replace(node, environment=(("HOME", "/elsewhere"),)))
    assert unit_of(bench).environment == (("HOME", "/elsewhere"),)


def test_a_new_program_stays_ours_unless_nodes_may_replace_it(bench: Workbench, nobody: Account) -> None:
    node = owned(bench)
    bench.manager().create_node(node, str(bench.program))
    bench.manager().place_program(node, str(bench.newer))
    assert owner_and_mode(node.program) == (0, 0, 0o755)
    allowing = bench.manager(self_upgrade=True)
    allowing.place_program(node, str(bench.program))
    assert owner_and_mode(node.program) == (nobody.pw_uid, nobody.pw_gid, 0o755)
    allowing.start_node(node)
    assert unit_of(bench).read_only == ()


def test_the_account_can_run_its_program_and_not_write_it(bench: Workbench) -> None:
    node = owned(bench)
    # The simulated node is run by a Python that may lie where nobody else can reach it.
    bench.manager().create_node(node, "/bin/echo")
    assert run((node.program, "ran"), SOON, user="nobody").stdout == "ran\n"
    with pytest.raises(CommandFailed):
        run(("dd", "if=/dev/zero", f"of={node.program}", "count=1"), SOON, user="nobody")
    assert Path(node.program).read_bytes() == Path("/bin/echo").read_bytes()


@pytest.mark.parametrize("kind", ["a link", "a file of its own"])
def test_what_a_node_puts_in_place_of_the_kept_program_is_not_gone_back_to(
    bench: Workbench, nobody: Account, kind: str
) -> None:
    node = owned(bench)
    manager = bench.manager()
    manager.create_node(node, str(bench.program))
    manager.place_program(node, str(bench.newer))
    kept = Path(f"{node.program}.previous")
    kept.unlink()
    if kind == "a link":
        kept.symlink_to("/bin/true")
    else:
        kept.write_bytes(bench.program.read_bytes())
    os.chown(kept, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    with pytest.raises(Permanent, match="not what was kept there"):
        manager.restore_program(node)
    assert Path(node.program).read_bytes() == bench.newer.read_bytes()
    assert not Path(node.program).is_symlink()


def test_removal_takes_the_log_beside_the_folder_too(bench: Workbench) -> None:
    node = owned(bench)
    bench.manager().create_node(node, str(bench.program))
    log = Path(unit_of(bench).log_file)
    for file in (log, log.with_name(f"{log.name}.1")):
        file.write_text("said")
    bench.manager().remove_node(node)
    assert names_in(bench.storage) == names_in(bench.logs) == []


def test_a_link_in_place_of_the_log_is_removed_and_not_what_it_points_to(bench: Workbench) -> None:
    node = owned(bench)
    bench.manager().create_node(node, str(bench.program))
    precious = bench.folder / "precious"
    precious.write_text("mine")
    Path(unit_of(bench).log_file).symlink_to(precious)
    bench.manager().remove_node(node)
    assert precious.read_text() == "mine"
    assert names_in(bench.logs) == []


def test_a_folder_that_the_account_cannot_reach_is_refused_with_the_remedy(bench: Workbench) -> None:
    bench.folder.chmod(0o700)
    node = owned(bench)
    with pytest.raises(NeedsOperator, match=rf"chmod o\+x {bench.folder}"):
        bench.manager().create_node(node, str(bench.program))
    assert not bench.storage.exists()
    assert stat.S_IMODE(bench.folder.stat().st_mode) == 0o700


def test_the_superuser_is_refused(bench: Workbench) -> None:
    with pytest.raises(Permanent, match="superuser"):
        bench.manager().create_node(replace(bench.node(), user="root"), str(bench.program))
    assert not bench.storage.exists()


@pytest.mark.parametrize("user", ["nobody", None])
def test_what_could_not_be_added_leaves_nothing(bench: Workbench, user: str | None) -> None:
    failing = dataclasses.replace(bench, driver=FailingDriver())
    node = replace(failing.node(), user=user)
    with pytest.raises(Transient, match="no room"):
        failing.manager().create_node(node, str(bench.program))
    assert names_in(bench.storage) == names_in(bench.logs) == []
