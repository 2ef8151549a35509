"""Keeps and finds workloads, what they hold, what happened, and the GPUs of machines."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from wnm.core.codec import from_json, to_json
from wnm.core.errors import BadInput, Transient
from wnm.core.values import Moment, Value
from wnm_fleet.core.gpu import Gpu, Xid
from wnm_fleet.core.workload import State, Workload
from wnm_fleet.store.database import Database
from wnm_fleet.store.models import EventRow, GpuHolderRow, GpuRow, NoteRow, PortHolderRow, WorkloadRow, XidRow


class ChangedMeanwhile(Transient):
    """Another program changed a workload between the reading and the writing; nothing of the step was written."""


class HeldAlready(Transient):
    """A GPU or port that a workload was to get belongs to another."""


class Event(Value, frozen=True, kw_only=True):
    """Something that happened; `detail` is what a sentence about it needs, by name."""

    at: Moment
    subject_kind: str
    subject_id: str
    kind: str
    detail: Mapping[str, str | int | float | None] = {}


class Kept(Value, frozen=True, kw_only=True):
    """A workload with the version of its row."""

    workload: Workload
    version: int


def moment(at: datetime) -> str:
    """Return a time as text of one width, in UTC, so that it sorts."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class FleetStore:
    """The fleet's memory. Every method is one transaction; the errors are those of `Database.session`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, workload: Workload) -> None:
        """Keep a new workload. BadInput if its id or, while another of that name is not over, its name is taken."""
        with self._database.session() as session:
            name = workload.spec.name
            if name is not None and (held := _live_named(session, name)) is not None:
                raise BadInput(
                    f"{name} is the name of workload {held}, which is not over: choose another name"
                )
            session.add(_row(workload, version=1))
            session.add(_event("submitted", workload, workload.submitted_at))
            try:
                session.flush()
            except IntegrityError:
                raise BadInput(f"there is a workload {workload.id} already") from None

    def write(self, changes: Iterable[tuple[Kept, Workload]], at: datetime) -> None:
        """Keep changes of workloads and what they hold, all of them or none.

        ChangedMeanwhile if one is not as it was read, HeldAlready if a GPU or port is another's.
        """
        pairs = [(before, after) for before, after in changes if before.workload != after]
        with self._database.session() as session:
            # What is given back in this step may be given out in it.
            for before, after in sorted(pairs, key=lambda pair: pair[1].state.holds_gpus):
                _change(session, before, after, at)

    def workloads(
        self,
        states: Iterable[State] | None = None,
        *,
        owner: str | None = None,
        started_after: datetime | None = None,
    ) -> tuple[Kept, ...]:
        """Return workloads, oldest submission first: of some states, of one owner, started at or after a time."""
        wanted = select(WorkloadRow).order_by(WorkloadRow.submitted_at, WorkloadRow.id)
        if states is not None:
            wanted = wanted.where(WorkloadRow.state.in_([state.value for state in states]))
        if owner is not None:
            wanted = wanted.where(WorkloadRow.owner == owner)
        if started_after is not None:
            wanted = wanted.where(WorkloadRow.started_at >= moment(started_after))
        with self._database.session() as session:
            return tuple(_kept(row) for row in session.scalars(wanted))

    def with_ids(self, ids: Iterable[str]) -> tuple[Kept, ...]:
        """Return the workloads that have one of these ids; ids that nobody has are passed over."""
        with self._database.session() as session:
            rows = (session.get(WorkloadRow, each) for each in sorted(set(ids)))
            return tuple(_kept(row) for row in rows if row is not None)

    def find(self, text: str) -> Kept:
        """Return a workload by its id, a beginning of its id that no other has, or its name (the latest of it).

        BadInput if there is none or several.
        """
        with self._database.session() as session:
            exact = session.get(WorkloadRow, text)
            if exact is not None:
                return _kept(exact)
            newest_first = select(WorkloadRow).order_by(WorkloadRow.submitted_at.desc())
            named = session.scalars(newest_first.where(WorkloadRow.name == text).limit(1)).first()
            if named is not None:
                return _kept(named)
            begun = session.scalars(
                newest_first.where(WorkloadRow.id.startswith(text, autoescape=True)).limit(2)
            ).all()
        if text and len(begun) == 1:
            return _kept(begun[0])
        problem = "several workloads begin with" if text and begun else "there is no workload"
        raise NotKnown(f"{problem} {text!r}")

    def events(self, subject_kind: str, subject_id: str, since: datetime | None = None) -> tuple[Event, ...]:
        """Return what happened to a workload or machine, in the order of its happening."""
        wanted = (
            select(EventRow)
            .where(EventRow.subject_kind == subject_kind, EventRow.subject_id == subject_id)
            .order_by(EventRow.id)
        )
        if since is not None:
            wanted = wanted.where(EventRow.at >= moment(since))
        with self._database.session() as session:
            return tuple(from_json(Event, row.body) for row in session.scalars(wanted))

    def all_events(self, since: datetime | None = None) -> tuple[Event, ...]:
        """Return what happened to all workloads and machines, in the order of its happening."""
        wanted = select(EventRow).order_by(EventRow.id)
        if since is not None:
            wanted = wanted.where(EventRow.at >= moment(since))
        with self._database.session() as session:
            return tuple(from_json(Event, row.body) for row in session.scalars(wanted))

    def note_events(self, events: Iterable[Event]) -> None:
        """Keep what happened."""
        with self._database.session() as session:
            session.add_all(_event_row(each) for each in events)

    def gpus(self, machine: str) -> tuple[Gpu, ...]:
        """Return the GPUs of a machine as its last look found them, lost ones too."""
        with self._database.session() as session:
            rows = session.scalars(
                select(GpuRow).where(GpuRow.machine == machine).order_by(GpuRow.uuid)
            ).all()
        return tuple(from_json(Gpu, row.body) for row in rows)

    def keep_gpus(self, machine: str, gpus: Sequence[Gpu]) -> None:
        """Replace what is known of a machine's GPUs."""
        with self._database.session() as session:
            session.execute(delete(GpuRow).where(GpuRow.machine == machine))
            session.add_all(GpuRow(uuid=gpu.uuid, machine=machine, body=to_json(gpu)) for gpu in gpus)

    def xids(self, machine: str) -> tuple[Xid, ...]:
        """Return the fatal errors of a machine's GPUs that are remembered, oldest first."""
        with self._database.session() as session:
            rows = session.scalars(select(XidRow).where(XidRow.machine == machine).order_by(XidRow.at)).all()
        return tuple(
            Xid(code=row.code, pci_bus_id=row.pci_bus_id, at=datetime.fromisoformat(row.at)) for row in rows
        )

    def keep_xids(self, machine: str, xids: Iterable[Xid], boot: datetime) -> None:
        """Remember fatal errors, and forget those of before the machine was last started."""
        with self._database.session() as session:
            session.execute(delete(XidRow).where(XidRow.machine == machine, XidRow.at < moment(boot)))
            for xid in xids:
                session.merge(
                    XidRow(machine=machine, pci_bus_id=xid.pci_bus_id, code=xid.code, at=moment(xid.at))
                )

    def note(self, name: str) -> str | None:
        """Return a single value by its name."""
        with self._database.session() as session:
            row = session.get(NoteRow, name)
            return None if row is None else row.value

    def keep_note(self, name: str, value: str) -> None:
        """Keep a single value by its name."""
        with self._database.session() as session:
            session.merge(NoteRow(name=name, value=value))


class NotKnown(BadInput):
    """There is no such workload or machine."""

    exit_code = 4


def _change(session: Session, before: Kept, after: Workload, at: datetime) -> None:
    columns = _row(after, version=before.version + 1)
    changed = session.execute(
        update(WorkloadRow)
        .where(WorkloadRow.id == after.id, WorkloadRow.version == before.version)
        .values(
            state=columns.state, started_at=columns.started_at, version=columns.version, body=columns.body
        )
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise ChangedMeanwhile(f"workload {after.id} was changed meanwhile")
    if before.workload.state is not after.state:
        session.add(_event(after.state.value, after, at))
    session.execute(delete(GpuHolderRow).where(GpuHolderRow.workload_id == after.id))
    session.execute(delete(PortHolderRow).where(PortHolderRow.workload_id == after.id))
    if not after.state.holds_gpus:
        return
    session.add_all(GpuHolderRow(gpu_uuid=uuid, workload_id=after.id) for uuid in after.gpu_uuids)
    session.add_all(
        PortHolderRow(machine=after.machine, protocol=port.protocol, port=port.host, workload_id=after.id)
        for port in after.ports
    )
    try:
        session.flush()
    except IntegrityError:
        raise HeldAlready(f"a GPU or port for workload {after.id} is another's") from None


def _live_named(session: Session, name: str) -> str | None:
    over = [state.value for state in State if state.is_over]
    wanted = select(WorkloadRow.id).where(
        or_(WorkloadRow.name == name, WorkloadRow.id == name), WorkloadRow.state.not_in(over)
    )
    return session.scalars(wanted.limit(1)).first()


def _row(workload: Workload, version: int) -> WorkloadRow:
    return WorkloadRow(
        id=workload.id,
        name=workload.spec.name,
        owner=workload.owner,
        state=workload.state.value,
        submitted_at=moment(workload.submitted_at),
        started_at=None if workload.started_at is None else moment(workload.started_at),
        version=version,
        body=to_json(workload),
    )


def _kept(row: WorkloadRow) -> Kept:
    return Kept(workload=from_json(Workload, row.body), version=row.version)


def _event(kind: str, workload: Workload, at: datetime) -> EventRow:
    detail: dict[str, str | int | float | None] = {"attempt": workload.attempt, "machine": workload.machine}
    if workload.end is not None and kind != "submitted":
        detail |= {"end": workload.end.kind.value, "exit_code": workload.end.exit_code}
    return _event_row(Event(at=at, subject_kind="workload", subject_id=workload.id, kind=kind, detail=detail))


def _event_row(event: Event) -> EventRow:
    return EventRow(
        at=moment(event.at),
        subject_kind=event.subject_kind,
        subject_id=event.subject_id,
        kind=event.kind,
        body=to_json(event),
    )
