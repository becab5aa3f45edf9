"""What a server really sends to PostgreSQL for one request, read from PostgreSQL's own log, and the same as a pgbench script."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from app.embedded.postgres import EmbeddedPostgres

_MARK = "@@bench@@"
_PARAMETER = re.compile(r"(\$\d+) = (NULL|'(?:[^']|'')*')")


@dataclass(frozen=True, slots=True)
class Message:
    """One statement, or several that went in one message. Parameters as SQL literals, by number; empty for a simple query."""

    sql: str
    parameters: dict[str, str]
    prepared: bool


def messages_of(postgres: EmbeddedPostgres, act: Callable[[], object]) -> list[Message]:
    """Everything that portal_app sent while `act` ran."""
    asyncio.run(_configure(postgres, f"SET log_line_prefix = '{_MARK}%u '", "SET log_statement = 'all'"))
    try:
        start = postgres.log.stat().st_size
        act()
    finally:
        asyncio.run(_configure(postgres, "RESET ALL"))
    with postgres.log.open("rb") as log:
        log.seek(start)
        return _parsed(log.read().decode())


async def _configure(postgres: EmbeddedPostgres, *changes: str) -> None:
    superuser = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        for change in changes:
            await superuser.execute(f"ALTER SYSTEM {change}")
        await superuser.execute("SELECT pg_reload_conf()")
    finally:
        await superuser.close()
    await asyncio.sleep(0.5)  # every backend reads it before its next statement


def _parsed(log: str) -> list[Message]:
    messages: list[Message] = []
    for entry in log.split(_MARK)[1:]:
        user, _, rest = entry.partition(" ")
        kind, _, text = rest.strip().partition(": ")
        if user != "portal_app":
            continue
        if kind == "LOG" and (found := re.match(r" ?(statement|execute [^:]*): (.*)", text, re.DOTALL)):
            prepared = found[1] != "statement"
            messages.append(Message(found[2].replace("\n\t", "\n").strip(), {}, prepared))
        elif kind == "DETAIL" and messages and messages[-1].prepared:
            messages[-1].parameters.update(_PARAMETER.findall(text))
    return messages


def pgbench_script(messages: list[Message], tenant: int) -> str:
    """The messages of one tenant for any tenant. Statements with parameters are prepared once a connection, as the server does."""
    prepare: list[str] = []
    run: list[str] = []
    for number, message in enumerate(messages):
        sql = message.sql.rstrip(";")
        if message.prepared:
            values = ", ".join(message.parameters[f"${one + 1}"] for one in range(len(message.parameters)))
            prepare.append(f"PREPARE q{number} AS {sql};")
            run.append(f"EXECUTE q{number}({values});" if values else f"EXECUTE q{number};")
        else:
            run.append(sql.replace("; ", " \\;\n") + ";")
    script = "\n".join(run).replace(f"-000000000{tenant}", "-000000000:tenant")
    first = "\n".join(prepare)
    return f"\\if :first\n{first}\n\\set first 0\n\\endif\n\\set tenant random(100, 299)\n{script}\n"
