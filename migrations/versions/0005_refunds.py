"""Refunds, disputes, and the credits that they take back."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from migrations.policies import Access, Sight, statements
from migrations.scripts import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0005"

# What refunds and disputes did to credits is append-only, as the ledger is.
ACCESS = (
    Access("refunds", Sight.POOL, ("select", "insert", "update")),
    Access("disputes", Sight.POOL, ("select", "insert", "update")),
    Access("credit_reversals", Sight.POOL, ("select", "insert")),
)


def upgrade() -> None:
    run(SQL / "refunds.sql")
    citus = "citus" in set(op.get_bind().scalars(sa.text("SELECT extname FROM pg_extension")))
    for access in ACCESS:
        for statement in statements(access, citus=citus):
            op.execute(statement)


def downgrade() -> None:
    run(SQL / "downgrade.sql")
