"""Commands on Stripe's events in the inbox, for operators."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.commands.connection import connect
from app.commands.failures import CommandError
from app.environment import load_settings
from app.services import webhook_events
from app.services.webhook_events import KeptEvent, State

_PIPED_WIDTH = 240  # columns, where there is no terminal whose width would count
_LEAST_ERROR = 30  # columns of the error in a narrow terminal; ids stay whole, to be copied, even if lines wrap
_OTHER_COLUMNS = len("2026-01-01 00:00:00 UTC") + len("tries") + len("handled") + 5 * 2  # with what is between them
_COLOURS = {State.PARKED: "red", State.FAILING: "yellow", State.WAITING: "cyan", State.HANDLED: "green"}

Answer = TypeVar("Answer")


def list_events(states: frozenset[State], event_type: str | None, limit: int) -> None:
    """Print the newest events as a table."""
    events = _ask(lambda connection: webhook_events.listed(connection, states, event_type, limit))
    if not events:
        sys.stdout.write("There is no such event.\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("received", no_wrap=True)
    table.add_column("tries", justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column("error", overflow="ellipsis", no_wrap=True)
    for event in events:
        state = Text(event.state.value, style=_COLOURS[event.state])
        error = Text((event.error or "").replace("\n", " "))
        table.add_row(event.id, event.type, _time(event.received_at), str(event.tries), state, error)
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    others = max(len(event.id) for event in events) + max(len(event.type) for event in events) + _OTHER_COLUMNS
    errors = table.columns[-1].max_width = max(console.width - others, _LEAST_ERROR)
    console.width = others + errors
    console.print(table)
    if len(events) == limit:
        console.print(f"The newest {limit}; --limit shows more.")


def show_event(event_id: str) -> None:
    """Print one event with all that is known of it and its payload, the secrets masked. CommandError if there is none."""
    found = _ask(lambda connection: webhook_events.found(connection, event_id))
    if found is None:
        raise CommandError(_no_such(event_id))
    event, payload = found
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(f"{event.id}  {event.type}", style="bold", soft_wrap=True)
    console.print(f"received {_time(event.received_at)}, {_story(event)}", soft_wrap=True)
    if event.error:
        console.print(Text(f"last error: {event.error}"), soft_wrap=True)
    console.print_json(data=payload)


def retry_events(event_ids: Sequence[str], *, all_parked: bool) -> bool:
    """Put events back and say of each what happened; whether all of them could be."""
    if bool(event_ids) == all_parked:
        raise CommandError("name the events to try again, or give --all-parked")

    async def put_back(connection: asyncpg.Connection) -> list[tuple[str, KeptEvent | None]]:
        ids = event_ids or await webhook_events.parked(connection)
        return [(one, await webhook_events.put_back(connection, one)) for one in ids]

    answers = _ask(put_back)
    if not answers:
        sys.stdout.write("No event is parked.\n")
    for event_id, event in answers:
        sys.stdout.write(f"{_put_back(event, event_id)}\n")
    return all(event is not None and event.state is not State.HANDLED for _, event in answers)


def _put_back(event: KeptEvent | None, event_id: str) -> str:
    if event is None:
        return _no_such(event_id)
    if event.state is State.HANDLED:
        return f"{event.id} ({event.type}) is {_story(event)}: there is nothing to try again."
    return f"{event.id} ({event.type}) was {_story(event)}: put back, a worker tries it now."


def _story(event: KeptEvent) -> str:
    tries = f"{event.tries} failed {'try' if event.tries == 1 else 'tries'}"
    match event.state:
        case State.HANDLED if event.processed_at:
            return f"handled since {_time(event.processed_at)}"
        case State.PARKED:
            return f"parked after {tries}"
        case State.FAILING:
            return f"to be tried again after {tries}"
        case _:
            return "waiting for its first try"


def _no_such(event_id: str) -> str:
    return f"{event_id}: no event with this id has come in."


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _ask(question: Callable[[asyncpg.Connection], Awaitable[Answer]]) -> Answer:
    async def ask() -> Answer:
        connection = await connect(load_settings().database_worker_url, "database_worker_url")
        try:
            return await question(connection)
        finally:
            await connection.close()

    return asyncio.run(ask())
