"""The fleet's memory, on real SQLite files."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec.structs import replace
from sqlalchemy import create_engine

from wnm.core.errors import BadInput, NeedsOperator, Transient
from wnm_fleet.core.gpu import Gpu, Xid
from wnm_fleet.core.workload import End, EndKind, Port, Spec, State, Workload
from wnm_fleet.store import database
from wnm_fleet.store.fleet import ChangedMeanwhile, Event, FleetStore, HeldAlready, NotKnown
from wnm_fleet.store.models import Base

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/fleet.db"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FleetStore]:
    """An empty memory."""
    opened = database.open_database(url(tmp_path))
    yield FleetStore(opened)
    opened.close()


def pending(number: int, **more: object) -> Workload:
    return Workload(
        id=f"w{number:03}",
        spec=Spec(image="app", name=f"job{number}"),
        owner="somebody",
        state=State.PENDING,
        submitted_at=NOW + timedelta(seconds=number),
        **more,  # type: ignore[arg-type]
    )


def starting(workload: Workload, *uuids: str, ports: tuple[Port, ...] = ()) -> Workload:
    return replace(workload, state=State.STARTING, attempt=1, machine="m", gpu_uuids=uuids, ports=ports)


def put(store: FleetStore, *workloads: Workload) -> None:
    for each in workloads:
        store.submit(each)


def test_what_was_submitted_is_found_whole_and_in_order(store: FleetStore) -> None:
    put(store, pending(2), pending(1), pending(3))
    assert [kept.workload for kept in store.workloads()] == [pending(1), pending(2), pending(3)]
    assert [kept.workload.id for kept in store.workloads([State.RUNNING])] == []


@pytest.mark.parametrize("text", ["w001", "w0", "job1"])
def test_a_workload_is_found_by_id_beginning_or_name(store: FleetStore, text: str) -> None:
    put(store, pending(1))
    assert store.find(text).workload.id == "w001"


def test_a_name_means_the_latest_that_has_it(store: FleetStore) -> None:
    first, second = pending(1), replace(pending(2), spec=pending(1).spec)
    put(store, first)
    over = replace(first, state=State.CANCELLED, end=End(kind=EndKind.CANCELLED, at=NOW))
    store.write([(store.find("w001"), over)], NOW)
    put(store, second)
    assert store.find("job1").workload.id == "w002"


@pytest.mark.parametrize(
    ("text", "words"), [("w", "several"), ("x", "no workload"), ("", "no workload"), ("%", "no")]
)
def test_what_is_none_or_several_is_refused_with_code_4(store: FleetStore, text: str, words: str) -> None:
    put(store, pending(1), pending(2))
    with pytest.raises(NotKnown, match=words) as refused:
        store.find(text)
    assert refused.value.exit_code == 4


def test_a_name_is_taken_while_its_workload_is_not_over(store: FleetStore) -> None:
    put(store, pending(1))
    with pytest.raises(BadInput, match="job1 is the name of workload w001"):
        store.submit(replace(pending(2), spec=Spec(image="app", name="job1")))
    with pytest.raises(BadInput, match="w001 is the name"):
        store.submit(replace(pending(2), spec=Spec(image="app", name="w001")))


def test_a_change_is_kept_with_what_is_held_and_told_as_an_event(store: FleetStore) -> None:
    put(store, pending(1))
    after = starting(pending(1), "GPU-a", ports=(Port(container=80, host=8080),))
    store.write([(store.find("w001"), after)], NOW)
    assert store.find("w001").workload == after
    assert [event.kind for event in store.events("workload", "w001")] == ["submitted", "starting"]
    assert store.events("workload", "w001", since=NOW + timedelta(seconds=2)) == ()


def test_a_change_of_what_was_changed_meanwhile_is_refused_and_nothing_of_the_step_is_kept(
    store: FleetStore,
) -> None:
    put(store, pending(1), pending(2))
    old, other = store.find("w001"), store.find("w002")
    store.write([(old, starting(pending(1), "GPU-a"))], NOW)
    with pytest.raises(ChangedMeanwhile, match="w001"):
        store.write([(other, starting(pending(2), "GPU-b")), (old, starting(pending(1), "GPU-c"))], NOW)
    assert store.find("w002").workload.state is State.PENDING


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("GPU-a",), ("GPU-b", "GPU-a")),
        ((), ()),
    ],
    ids=["a GPU", "a port"],
)
def test_nothing_is_held_by_two(store: FleetStore, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    port = () if first else (Port(container=80, host=8080),)
    put(store, pending(1), pending(2))
    store.write([(store.find("w001"), starting(pending(1), *first, ports=port))], NOW)
    with pytest.raises(HeldAlready, match="w002"):
        store.write([(store.find("w002"), starting(pending(2), *second, ports=port))], NOW)
    assert store.find("w002").workload.state is State.PENDING


def test_what_one_gives_back_another_gets_in_the_same_step(store: FleetStore) -> None:
    put(store, pending(1), pending(2))
    store.write([(store.find("w001"), starting(pending(1), "GPU-a"))], NOW)
    over = replace(store.find("w001").workload, state=State.COMPLETED, gpu_uuids=())
    store.write([(store.find("w002"), starting(pending(2), "GPU-a")), (store.find("w001"), over)], NOW)
    assert store.find("w002").workload.gpu_uuids == ("GPU-a",)


def test_of_many_that_want_one_gpu_at_once_one_gets_it(tmp_path: Path, store: FleetStore) -> None:
    put(store, *(pending(number) for number in range(8)))

    def take(number: int) -> bool:
        opened = database.open_database(url(tmp_path))
        try:
            own = FleetStore(opened)
            own.write([(own.find(f"w{number:03}"), starting(pending(number), "GPU-a"))], NOW)
        except HeldAlready:
            return False
        finally:
            opened.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_gpus_and_fatal_errors_are_remembered_until_the_machine_starts_again(store: FleetStore) -> None:
    gpus = (Gpu(uuid="GPU-a", name="A100"), Gpu(uuid="GPU-b"))
    store.keep_gpus("m", gpus)
    store.keep_gpus("other", ())
    assert store.gpus("m") == gpus
    xid = Xid(code=79, pci_bus_id="0000:18:00", at=NOW)
    for _ in range(2):
        store.keep_xids("m", [xid], NOW - timedelta(hours=1))
    assert store.xids("m") == (xid,)
    store.keep_xids("m", [], NOW + timedelta(hours=1))
    assert store.xids("m") == ()


def test_events_of_others_and_notes_are_kept(store: FleetStore) -> None:
    event = Event(at=NOW, subject_kind="machine", subject_id="m", kind="gpu-lost", detail={"uuid": "GPU-a"})
    store.note_events([event])
    assert store.events("machine", "m") == (event,)
    assert store.note("machine") is None
    store.keep_note("machine", "a")
    store.keep_note("machine", "b")
    assert store.note("machine") == "b"


def test_migrations_make_what_the_models_say(tmp_path: Path, store: FleetStore) -> None:
    engine = create_engine(url(tmp_path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
    assert ScriptDirectory(str(database.MIGRATIONS)).get_heads() == [database.HEAD]


def test_many_that_open_it_for_the_first_time_at_once_make_one(tmp_path: Path) -> None:
    def use(number: int) -> None:
        opened = database.open_database(url(tmp_path))
        FleetStore(opened).submit(pending(number))
        opened.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(use, range(6)))
    opened = database.open_database(url(tmp_path))
    assert len(FleetStore(opened).workloads()) == 6
    opened.close()


def test_the_file_is_for_its_owner_alone(tmp_path: Path, store: FleetStore) -> None:
    assert (tmp_path / "fleet.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"this is no database" * 100, "cannot be used"), (None, "schema 9999")],
    ids=["something else", "of a newer version"],
)
def test_a_file_that_is_none_of_ours_is_refused_and_stays(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "fleet.db"
    if content is not None:
        path.write_bytes(content)
    else:
        database.open_database(url(tmp_path)).close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
    before = path.read_bytes()
    with pytest.raises(NeedsOperator, match=words):
        database.open_database(url(tmp_path))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedsOperator, match=r"make .*/file writable"):
        database.open_database(f"sqlite:///{tmp_path}/file/fleet.db")


@pytest.mark.parametrize("text", ["nonsense", "oracle://x", "sqlite+nothing:///x"])
def test_a_url_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NeedsOperator, match="is no database"):
        database.open_database(text)


def test_a_database_that_another_keeps_locked_is_tried_again_later(tmp_path: Path, store: FleetStore) -> None:
    holder = sqlite3.connect(tmp_path / "fleet.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: holder.execute("COMMIT"))
    release.start()
    put(store, pending(1))  # It waits until the other is done.
    release.join()
    holder.execute("BEGIN IMMEDIATE")
    code = (
        "from wnm_fleet.store import database\n"
        "database.BUSY_MILLISECONDS = 200\n"
        f"try: database.open_database({url(tmp_path)!r})\n"
        "except Exception as error: print(type(error).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{Transient.__name__}\n"
    holder.execute("COMMIT")
    holder.close()


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from wnm_fleet.core.workload import Spec, State, Workload
from wnm_fleet.store.database import open_database
from wnm_fleet.store.fleet import FleetStore
store = FleetStore(open_database(sys.argv[1]))
for number in range(10_000):
    now = datetime.now(UTC)
    store.submit(Workload(id=f"w{number}", spec=Spec(image="app"), owner="o", state=State.PENDING, submitted_at=now))
    print(number, flush=True)
"""


def test_what_was_confirmed_outlives_a_kill_at_any_moment(tmp_path: Path) -> None:
    database.open_database(url(tmp_path)).close()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    confirmed = -1
    for line in process.stdout:
        confirmed = int(line)
        if confirmed == 20:
            os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
    opened = database.open_database(url(tmp_path))
    found = {kept.workload.id for kept in FleetStore(opened).workloads()}
    opened.close()
    assert {f"w{number}" for number in range(confirmed + 1)} <= found
    assert len(found) <= confirmed + 2
