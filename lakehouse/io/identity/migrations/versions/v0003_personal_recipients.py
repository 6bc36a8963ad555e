"""Where people want messages over Telegram and WhatsApp, and the codes that confirm it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "personal_recipients",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("address", sa.String(32), nullable=False, index=True),
        sa.Column("code", sa.String(6)),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("codes", sa.Integer, nullable=False),
        sa.Column("day_began", TIME, nullable=False),
    )
