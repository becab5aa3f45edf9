"""Scripts of SQL that a migration runs: readable files, statement by statement as the driver takes them."""

import re
from pathlib import Path

from alembic import op

STATEMENT = re.compile(r"(?:\$\$.*?\$\$|.)+?;(?=\s*\n|\Z)", re.DOTALL)  # a $$ body is one piece, whatever stands in it


def run(script: Path) -> None:
    """Run a script; each of its statements ends with a semicolon at the end of a line."""
    for statement in STATEMENT.findall(script.read_text(encoding="utf-8")):
        op.get_bind().exec_driver_sql(statement)
