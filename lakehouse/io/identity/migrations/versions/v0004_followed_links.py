"""Whether a one-time link set the password of an account."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column: true where a used link is known."""
    op.add_column("users", sa.Column("followed_link", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(
        "update users set followed_link = true"
        " where user_id in (select user_id from one_time_links where used_at is not null)"
    )
