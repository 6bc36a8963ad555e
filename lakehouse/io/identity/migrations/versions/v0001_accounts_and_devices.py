"""First tables: accounts, sign-ins, API keys, devices and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
TIME = sa.DateTime(timezone=True)
ID = sa.String(32)
DIGEST = sa.String(64)


def owner(table: str, column: str, type_: sa.String) -> sa.Column[str]:
    """An indexed column whose rows go with the row that it names."""
    reference = sa.ForeignKey(f"{table}.{column}", ondelete="CASCADE")
    return sa.Column(column, type_, reference, nullable=False, index=True)


def accounts() -> None:
    """Tables of persons and their sign-ins."""
    op.create_table(
        "users",
        sa.Column("user_id", ID, primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("full_name", sa.String(100)),
        sa.Column("locale", sa.String(2), nullable=False),
        sa.Column("role", sa.String(16), nullable=False, index=True),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_seen", TIME),
    )
    op.create_table(
        "sign_ins",
        sa.Column("sign_in_id", ID, primary_key=True),
        owner("users", "user_id", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        sa.Column("ended_at", TIME),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("jti", ID, primary_key=True),
        owner("sign_ins", "sign_in_id", ID),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("spent_at", TIME),
    )


def keys() -> None:
    """Tables of API keys, one-time links and failed logins."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", ID, primary_key=True),
        owner("users", "user_id", ID),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("digest", DIGEST, nullable=False, unique=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
    )
    op.create_table(
        "one_time_links",
        sa.Column("digest", DIGEST, primary_key=True),
        owner("users", "user_id", ID),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
    )
    op.create_table(
        "login_failures",
        sa.Column("account_digest", DIGEST, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failed_at", TIME, nullable=False, index=True),
        sa.Column("blocked_until", TIME),
    )


def devices() -> None:
    """Tables of devices and their claims."""
    op.create_table(
        "devices",
        sa.Column("device_id", sa.String(64), primary_key=True),
        sa.Column("market_id", sa.String(64), nullable=False, index=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("secret_digest", sa.String(200)),
        sa.Column("secret_generation", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(64)),
        sa.Column("approved_at", TIME),
        sa.Column("approved_by", sa.String(64)),
        sa.Column("revoked_at", TIME),
    )
    op.create_table(
        "device_claims",
        sa.Column("digest", DIGEST, primary_key=True),
        owner("devices", "device_id", sa.String(64)),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
    )


def audit() -> None:
    """The audit."""
    op.create_table(
        "audit",
        sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", TIME, nullable=False, index=True),
        sa.Column("actor", sa.String(64), nullable=False, index=True),
        sa.Column("action", sa.String(64), nullable=False, index=True),
        sa.Column("object", sa.String(200)),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("previous_hash", DIGEST, nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
    )


def upgrade() -> None:
    """Create all tables."""
    accounts()
    keys()
    devices()
    audit()
