"""What spending writes for every request has no key that says the same as another one."""

from pathlib import Path

from migrations.scripts import run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0007"


def upgrade() -> None:
    run(SQL / "spending_keys.sql")


def downgrade() -> None:
    run(SQL / "downgrade.sql")
