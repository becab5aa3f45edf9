"""Automatic purchases: a cap in money too, the credits of the month, why it stands still, and the level that a debit is held against."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0002"


def upgrade() -> None:
    run(SQL / "auto_purchase.sql")


def downgrade() -> None:
    run(SQL / "downgrade.sql")


def run(script: Path) -> None:
    """Run a script statement by statement, as the driver takes them; each ends with a semicolon at the end of a line."""
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
