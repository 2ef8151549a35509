"""What the manager of nodes promises over every driver, with real nodes."""

import stat
import subprocess
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace
from tests.contracts.workbench import HourlyClock, Workbench, answers, is_free, names_in, processes_naming
from tests.waiting import eventually

from wnm.core.errors import Permanent, ProgramFailed, Transient
from wnm.core.node import Node, ProcessState
from wnm.core.observation import ProcessReading


def mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[
        2
    ]


def started(bench: Workbench, node: Node) -> None:
    bench.manager().start_node(node)
    eventually(lambda: answers(node.metrics_port))


def test_created_means_private_folders_and_an_own_copy_that_does_not_run(bench: Workbench) -> None:
    node = bench.created()
    assert mode(node.root_dir) == mode(node.log_dir) == 0o700
    assert Path(node.program).read_bytes() == bench.program.read_bytes()
    assert mode(node.program) == 0o755
    assert names_in(node.root_dir) == ["antnode"]
    assert bench.pids(node) == []


def test_creation_goes_on_where_it_was_interrupted(bench: Workbench) -> None:
    node = bench.created()
    Path(node.root_dir, ".antnode.new").write_text("half")
    bench.manager().create_node(node, str(bench.newer))
    assert version(node.program) == "v0.4.18"
    assert names_in(node.root_dir) == ["antnode"]


@pytest.mark.parametrize("content", ["secret-key", "holiday.jpg", ".hidden"])
def test_a_folder_with_other_content_is_not_taken_over(bench: Workbench, content: str) -> None:
    node = bench.node()
    Path(node.root_dir).mkdir()
    Path(node.root_dir, content).write_text("mine")
    with pytest.raises(Permanent, match=content):
        bench.manager().create_node(node, str(bench.program))
    assert names_in(node.root_dir) == [content]
    assert not Path(node.log_dir).exists()


def test_a_failed_creation_leaves_nothing(bench: Workbench) -> None:
    node = bench.node()
    with pytest.raises(Transient, match="nothing-there"):
        bench.manager().create_node(node, str(bench.folder / "nothing-there"))
    assert names_in(bench.storage) == []
    assert names_in(bench.logs) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../antnode0001", "a/b", "-x", "a\nb", "a b", "a\0", "x" * 65]
)
def test_names_that_are_no_names_are_refused(bench: Workbench, name: str) -> None:
    node = replace(bench.node(), name=name)
    for refused in (
        lambda: bench.manager().create_node(node, str(bench.program)),
        lambda: bench.manager().remove_node(node),
        lambda: bench.manager().start_node(replace(node, program=str(bench.program))),
        lambda: bench.manager().stop_node(node),
    ):
        with pytest.raises(Permanent, match="name"):
            refused()
    assert names_in(bench.storage) == []


@pytest.mark.parametrize("which", ["root_dir", "log_dir", "program"])
@pytest.mark.parametrize(
    "place", ["home", "nodes/../home/x", "nodes", "nodes/", "logs", "home/nodes/x", "relative"]
)
def test_paths_that_lead_elsewhere_are_refused(bench: Workbench, which: str, place: str) -> None:
    precious = bench.folder / "home" / "x" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    node = bench.created()
    path = place if place == "relative" else f"{bench.folder}/{place}"
    bad = replace(node, **{which: path})
    for refused in (
        lambda: bench.manager().remove_node(bad),
        lambda: bench.manager().create_node(bad, str(bench.program)),
        lambda: bench.manager().place_program(bad, str(bench.newer)),
    ):
        with pytest.raises(Permanent, match=r"not strictly inside"):
            refused()
    assert precious.read_text() == "years of work"
    assert Path(node.program).read_bytes() == bench.program.read_bytes()


def test_a_node_starts_stops_and_restarts(bench: Workbench) -> None:
    manager, node = bench.manager(), bench.created()
    started(bench, node)
    (first,) = bench.pids(node)
    assert manager.restart_node(node) is False
    (second,) = bench.pids(node)
    assert first != second
    assert manager.stop_node(node) is False
    assert bench.pids(node) == []


def test_a_node_without_program_or_folder_is_not_started(bench: Workbench) -> None:
    node = bench.node()
    with pytest.raises(Permanent, match="antnode0001"):
        bench.manager().start_node(node)
    assert not Path(node.root_dir).exists()


def test_the_survey_finds_each_and_one_bad_row_hides_no_other(bench: Workbench) -> None:
    running, stopped = bench.created(1), bench.created(2)
    bad = replace(bench.node(3), name="../x")
    started(bench, running)
    seen = bench.manager().survey_nodes([running, stopped, bad])
    states = [r.state if isinstance(r, ProcessReading) else None for r in (seen[1], seen[2], seen[3])]
    assert states == [ProcessState.RUNNING, ProcessState.STOPPED, None]
    status = bench.manager().get_status(running)
    assert isinstance(status, ProcessReading)
    assert [status.pid] == bench.pids(running)


def test_a_program_is_replaced_while_it_runs_and_can_be_put_back(bench: Workbench) -> None:
    manager, node = bench.manager(), bench.created()
    started(bench, node)
    (pid,) = bench.pids(node)
    manager.place_program(node, str(bench.newer))
    manager.place_program(node, str(bench.newer))
    assert bench.pids(node) == [pid]
    assert version(node.program) == "v0.4.18"
    assert version(f"{node.program}.previous") == "v0.4.17"
    manager.restart_node(node)
    manager.restore_program(node)
    manager.restore_program(node)
    assert version(node.program) == "v0.4.17"
    assert mode(node.program) == 0o755
    manager.place_program(node, str(bench.newer))
    assert version(node.program) == "v0.4.18"
    assert version(f"{node.program}.previous") == "v0.4.17"
    assert [name for name in names_in(node.root_dir) if name.endswith(".new")] == []


def test_a_binary_is_replaced_while_it_runs(bench: Workbench) -> None:
    node = bench.node()
    sleep = bench.folder / "sleep"
    sleep.write_bytes(Path("/bin/sleep").read_bytes())
    bench.manager().create_node(node, str(sleep))
    process = subprocess.Popen([node.program, "60"])
    bench.manager().place_program(node, "/bin/cat")
    assert process.poll() is None
    assert Path(node.program).read_bytes() == Path("/bin/cat").read_bytes()
    process.kill()
    process.wait()


def test_without_an_earlier_program_there_is_no_way_back(bench: Workbench) -> None:
    with pytest.raises(Permanent, match="previous"):
        bench.manager().restore_program(bench.created())


def test_a_program_that_cannot_be_placed_leaves_the_old_one(bench: Workbench) -> None:
    node = bench.created()
    with pytest.raises(Transient):
        bench.manager().place_program(node, str(bench.folder / "nothing-there"))
    with pytest.raises((Permanent, Transient)):
        bench.manager().place_program(node, str(bench.folder))
    assert version(node.program) == "v0.4.17"


def test_removal_leaves_no_process_folder_or_file_and_keeps_the_key(bench: Workbench) -> None:
    manager, node = bench.manager(), bench.created()
    started(bench, node)
    key = Path(node.root_dir, "secret-key").read_bytes()
    freed_bytes = manager.remove_node(node)
    assert freed_bytes >= bench.program.stat().st_size
    assert processes_naming(Path(node.root_dir)) == []
    assert is_free(node.metrics_port)
    assert names_in(bench.storage) == []
    assert names_in(bench.logs) == []
    (copy,) = bench.keys.rglob("secret-key")
    assert copy.read_bytes() == key
    assert copy.parent.name.startswith("antnode0001-2")
    assert mode(copy) == 0o600
    assert mode(copy.parent) == mode(bench.keys) == 0o700
    assert manager.remove_node(node) == 0
    assert len(list(bench.keys.iterdir())) == 1


def test_removal_goes_on_where_it_was_interrupted_with_one_backup(bench: Workbench) -> None:
    node = replace(bench.created(), peer_id="12D3KooWabc")
    key = Path(node.root_dir, "secret-key")
    key.write_text("k" * 32)
    clock = HourlyClock()
    copies = []
    for text in ("k" * 32, "k" * 32, "other"):
        key.parent.mkdir(exist_ok=True)
        key.write_text(text)
        bench.manager(clock=clock).remove_node(node)
        copies.append(names_in(bench.keys))
    assert copies[0] == copies[1] == ["antnode0001-20260101T010000Z-12D3KooWabc"]
    assert copies[2] == [*copies[0], "antnode0001-20260101T030000Z-12D3KooWabc"]


@pytest.mark.parametrize("peer_id", ["../../x", "a/b", "", None, "é"])
def test_a_peer_id_that_is_none_does_not_become_a_path(bench: Workbench, peer_id: str | None) -> None:
    node = replace(bench.created(), peer_id=peer_id)
    Path(node.root_dir, "secret-key").write_text("k" * 32)
    bench.manager().remove_node(node)
    (copy,) = bench.folder.rglob("secret-key")
    assert copy.parent.parent == bench.keys


def test_without_a_backup_of_the_key_nothing_is_deleted(bench: Workbench) -> None:
    node = bench.created()
    Path(node.root_dir, "secret-key").write_text("k" * 32)
    in_the_way = bench.folder / "file"
    in_the_way.write_text("")
    with pytest.raises((Permanent, Transient)):
        bench.manager(key_storage=in_the_way / "keys").remove_node(node)
    with pytest.raises(Permanent, match="inside"):
        bench.manager(key_storage=Path(node.root_dir) / "keys").remove_node(node)
    assert names_in(node.root_dir) == ["antnode", "secret-key"]


def test_a_key_that_is_a_link_is_not_taken_for_a_backup(bench: Workbench) -> None:
    node = bench.created()
    Path(node.root_dir, "secret-key").symlink_to("/etc/hostname")
    with pytest.raises(Transient, match="nothing was deleted"):
        bench.manager().remove_node(node)
    assert Path(node.program).exists()


def test_keys_are_not_kept_when_that_is_not_wanted(bench: Workbench) -> None:
    node = bench.created()
    Path(node.root_dir, "secret-key").write_text("k" * 32)
    bench.manager(keep_keys=False).remove_node(node)
    assert not bench.keys.exists()
    assert not Path(node.root_dir).exists()


def test_a_link_to_elsewhere_is_not_followed(bench: Workbench) -> None:
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("years of work")
    node = bench.created()
    Path(node.root_dir, "link").symlink_to(elsewhere)
    bench.manager().remove_node(node)
    linked = bench.node(2)
    Path(linked.root_dir).symlink_to(elsewhere)
    with pytest.raises(Permanent, match="symbolic link"):
        bench.manager().remove_node(linked)
    assert (elsewhere / "thesis.txt").read_text() == "years of work"


def test_a_stopped_process_is_ended_too(bench: Workbench) -> None:
    node = bench.created()
    started(bench, node)
    (pid,) = bench.pids(node)
    psutil.Process(pid).suspend()
    bench.manager().stop_node(node)
    assert bench.pids(node) == []


def test_output_logs_are_kept_below_a_size(bench: Workbench) -> None:
    node, absent = bench.created(1), bench.node(2)
    log = Path(node.log_dir, "stdout.log")
    log.write_text("line\n" * 1000)
    assert bench.manager().trim_logs([absent, node], max_bytes=100) == ()
    assert log.read_text() == ""
    assert Path(f"{log}.1").read_text() == "line\n" * 19


def test_a_row_that_names_a_foreign_log_folder_touches_nothing_there(bench: Workbench) -> None:
    node = bench.created()
    foreign = bench.folder / "foreign"
    foreign.mkdir()
    (foreign / "stdout.log").write_text("line\n" * 1000)
    tampered = replace(node, log_dir=str(foreign))
    (problem,) = bench.manager().trim_logs([tampered], max_bytes=100)
    assert problem.startswith(node.name)
    with pytest.raises(Permanent):
        bench.manager().start_node(tampered)
    assert [path.name for path in foreign.iterdir()] == ["stdout.log"]
    assert (foreign / "stdout.log").stat().st_size == 5000


def test_a_new_program_is_tried_alone_and_must_say_its_version(bench: Workbench) -> None:
    manager, node = bench.manager(), bench.created()
    manager.check_program(node, "0.4.17")
    with pytest.raises(Transient, match=r"says that it is 0\.4\.17, and not 0\.4\.18") as other:
        manager.check_program(node, "0.4.18")
    assert not isinstance(other.value, ProgramFailed)
    manager.place_program(node, str(bench.script("broken", "exit 3")))
    with pytest.raises(ProgramFailed, match="cannot use the new program"):
        manager.check_program(node, "0.4.18")
    assert bench.pids(node) == []
