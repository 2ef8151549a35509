"""Runs migrations on the connection that `wnm.record.migrate` hands over; called by Alembic."""

from alembic import context

from wnm.record.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
