"""Whether a person wants the Monday sheet."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column where the tables were created before it was declared."""
    columns = sa.inspect(op.get_bind()).get_columns("personal_settings")
    if "weekly_sheet" not in {column["name"] for column in columns}:
        column = sa.Column("weekly_sheet", sa.Boolean, nullable=False, server_default=sa.false())
        op.add_column("personal_settings", column)
