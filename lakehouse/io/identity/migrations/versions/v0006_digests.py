"""Which alerts a person wants, and messages that wait for a digest."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns: nobody has limited the alerts or asked for a digest so far."""
    op.add_column("personal_settings", sa.Column("alert_commodities", sa.JSON))
    op.add_column(
        "personal_settings", sa.Column("alert_regions", sa.JSON, nullable=False, server_default="[]")
    )
    op.add_column(
        "personal_settings", sa.Column("digest", sa.String(8), nullable=False, server_default="none")
    )
    op.add_column(
        "notifications", sa.Column("awaits_digest", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_index("ix_notifications_awaits_digest", "notifications", ["awaits_digest"])
