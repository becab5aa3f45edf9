"""A disputed automatic purchase pauses the next: one more reason why it stands still."""

from pathlib import Path

from migrations.scripts import run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0006"


def upgrade() -> None:
    run(SQL / "auto_purchase_disputes.sql")


def downgrade() -> None:
    run(SQL / "downgrade.sql")
