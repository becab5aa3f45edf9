"""The revision of the database that this code needs, read off the migrations themselves.

Alembic knows it too, after half a second of imports: too long for a start and for the first probe.
"""

import re
from functools import cache

from app.config import PROJECT


@cache
def newest_revision() -> str:
    """The migration that no other one follows."""
    texts = [path.read_text(encoding="utf-8") for path in (PROJECT / "migrations" / "versions").glob("*.py")]

    def named(field: str) -> set[str]:
        return {name for text in texts for name in re.findall(rf'^{field}\b[^=\n]*= "(\w+)"', text, re.MULTILINE)}

    (newest,) = named("revision") - named("down_revision")
    return newest
