"""From where devices were registered."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("devices", sa.Column("created_from", sa.String(64)))
