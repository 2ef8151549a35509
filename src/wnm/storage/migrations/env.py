"""Runs migrations on the connection that `wnm.storage.migrate` hands over; called by Alembic."""

from alembic import context

from wnm.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
