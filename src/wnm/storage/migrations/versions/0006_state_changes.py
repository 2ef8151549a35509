"""Adds the changes of node states that no action made."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE state_change (
    id INTEGER NOT NULL, cycle_id INTEGER NOT NULL, at TEXT NOT NULL, node_id INTEGER NOT NULL,
    node_name TEXT NOT NULL, was TEXT NOT NULL, became TEXT NOT NULL, because TEXT NOT NULL,
    CONSTRAINT pk_state_change PRIMARY KEY (id),
    CONSTRAINT fk_state_change_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycle (id) ON DELETE CASCADE
);

CREATE INDEX ix_state_change_cycle_id ON state_change (cycle_id);

CREATE INDEX ix_state_change_node_id ON state_change (node_id);

CREATE INDEX ix_state_change_at ON state_change (at)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
