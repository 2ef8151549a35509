"""Runs migrations on the connection that `wnm_fleet.store.database` passes; called by Alembic."""

from alembic import context

from wnm_fleet.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
