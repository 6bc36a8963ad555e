"""What people choose for themselves: settings, alerts on symbols, and the messages that they get."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
TIME = sa.DateTime(timezone=True)
ID = sa.String(32)
OWNER = sa.String(64)


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "personal_settings",
        sa.Column("owner", OWNER, primary_key=True),
        sa.Column("watchlist", sa.JSON, nullable=False),
        sa.Column("commodities", sa.JSON, nullable=False),
        sa.Column("theme", sa.String(8), nullable=False),
        *(
            sa.Column(name, sa.Boolean, nullable=False)
            for name in ("email", "telegram", "whatsapp", "websocket")
        ),
        sa.Column("min_level", sa.String(16), nullable=False),
    )
    op.create_table(
        "symbol_alerts",
        sa.Column("alert_id", ID, primary_key=True),
        sa.Column("owner", OWNER, nullable=False, index=True),
        sa.Column("symbol", sa.String(32), nullable=False, index=True),
        sa.Column("condition", sa.String(8), nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("signal", sa.String(4)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("is_met", sa.Boolean),
    )
    op.create_table(
        "notifications",
        sa.Column("notification_id", ID, primary_key=True),
        sa.Column("owner", OWNER, nullable=False, index=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("body", sa.String(1000), nullable=False),
        sa.Column("is_read", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False, index=True),
    )
