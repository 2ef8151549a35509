"""Declares the tables: a value is kept whole, as JSON, beside the columns that are searched by or must be unique."""

from sqlalchemy import ForeignKey, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(DeclarativeBase):
    """The base of all tables."""

    metadata = NAMES


class WorkloadRow(Base):
    """A workload; `version` is raised by each change, so that of two writers one is told."""

    __tablename__ = "workload"
    __table_args__ = (Index("ix_workload_state", "state"), Index("ix_workload_submitted_at", "submitted_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(200), index=True)
    owner: Mapped[str] = mapped_column(String(200), index=True)
    state: Mapped[str] = mapped_column(String(20))
    submitted_at: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[str | None] = mapped_column(String(32))
    version: Mapped[int]
    body: Mapped[str] = mapped_column(Text)


class GpuHolderRow(Base):
    """A GPU that a workload holds: the key makes a second holder impossible."""

    __tablename__ = "gpu_holder"

    gpu_uuid: Mapped[str] = mapped_column(String(80), primary_key=True)
    workload_id: Mapped[str] = mapped_column(ForeignKey("workload.id", ondelete="CASCADE"), index=True)


class PortHolderRow(Base):
    """A port of a machine that a workload holds."""

    __tablename__ = "port_holder"

    machine: Mapped[str] = mapped_column(String(80), primary_key=True)
    protocol: Mapped[str] = mapped_column(String(4), primary_key=True)
    port: Mapped[int] = mapped_column(primary_key=True)
    workload_id: Mapped[str] = mapped_column(ForeignKey("workload.id", ondelete="CASCADE"), index=True)


class EventRow(Base):
    """Something that happened to a workload or machine, as a value; never changed."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_subject", "subject_kind", "subject_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[str] = mapped_column(String(32), index=True)
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)


class GpuRow(Base):
    """A GPU that was seen on a machine; it stays, so that one that is gone is missed."""

    __tablename__ = "gpu"

    uuid: Mapped[str] = mapped_column(String(80), primary_key=True)
    machine: Mapped[str] = mapped_column(String(80), index=True)
    body: Mapped[str] = mapped_column(Text)


class XidRow(Base):
    """A fatal error of a GPU: the kernel's log forgets it before the GPU is reset."""

    __tablename__ = "xid"

    machine: Mapped[str] = mapped_column(String(80), primary_key=True)
    pci_bus_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    code: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(32))


class NoteRow(Base):
    """A single value by its name, such as which machine this is."""

    __tablename__ = "note"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
