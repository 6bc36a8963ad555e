"""The tables of the first release. A later version that changes one adds its change in a file of its own.

What was before its number was never released.
"""

from alembic import op

from lakehouse.io.identity.tables import IdentityTable

revision = "0006"
down_revision = None


def upgrade() -> None:
    """Create all tables, as they are declared."""
    IdentityTable.metadata.create_all(op.get_bind())
