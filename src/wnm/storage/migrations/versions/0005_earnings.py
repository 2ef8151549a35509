"""Adds the earnings of nodes by day, and the counters that they are computed from."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE counter (
    node_id INTEGER NOT NULL, attos TEXT NOT NULL, boot_id TEXT, pid INTEGER, uptime_seconds INTEGER,
    CONSTRAINT pk_counter PRIMARY KEY (node_id)
);

CREATE TABLE earning (
    day TEXT NOT NULL, node_name TEXT NOT NULL, wallet TEXT NOT NULL, node_id INTEGER NOT NULL,
    attos TEXT NOT NULL,
    CONSTRAINT pk_earning PRIMARY KEY (day, node_name, wallet)
)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
