"""Automatic purchases: a cap in money too, the credits of the month, why it stands still, and the level that a debit is held against."""

from pathlib import Path

from migrations.scripts import run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0004"


def upgrade() -> None:
    run(SQL / "auto_purchase.sql")


def downgrade() -> None:
    run(SQL / "downgrade.sql")
