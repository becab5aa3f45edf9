"""The sandbox's memory: Stripe's objects, events, deliveries and idempotency keys in one SQLite file."""

import json
import secrets
import sqlite3
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.embedded.stripe.refusals import Record

_ALPHABET = string.ascii_letters + string.digits

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, customer TEXT,
    body TEXT NOT NULL, private TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, customer);
CREATE INDEX IF NOT EXISTS objects_by_status ON objects (kind, json_extract(body, '$.status'));
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    request_id TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, ended TEXT);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def new_id(prefix: str, length: int) -> str:
    """An id in Stripe's shape: a prefix and random letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class State:
    """Objects by id. What a request does happens inside one `transaction()`; `private` never leaves the sandbox."""

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_TABLES}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def now(self) -> int:
        """Seconds since 1970, whole, as Stripe's timestamps are."""
        return int(self.clock())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Nobody awaits inside, so requests never mix."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add(self, record: Record, private: Record | None = None) -> Record:
        """Keep a new object."""
        self._db.execute(
            "INSERT INTO objects (id, kind, customer, body, private) VALUES (?, ?, ?, ?, ?)",
            (record["id"], record["object"], record.get("customer"), json.dumps(record), json.dumps(private or {})),
        )
        return record

    def save(self, record: Record) -> Record:
        """Keep what has changed in an object."""
        self._db.execute(
            "UPDATE objects SET customer = ?, body = ? WHERE id = ?",
            (record.get("customer"), json.dumps(record), record["id"]),
        )
        return record

    def find(self, kind: str, object_id: str) -> Record | None:
        """The object, or None."""
        row = self._db.execute("SELECT body FROM objects WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
        return None if row is None else json.loads(row[0])

    def private(self, object_id: str) -> Record:
        """What the sandbox alone knows about an object: how a test card behaves, who may see a receipt."""
        row = self._db.execute("SELECT private FROM objects WHERE id = ?", (object_id,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def save_private(self, object_id: str, **values: Any) -> None:
        """Change some of it."""
        merged = json.dumps(self.private(object_id) | values)
        self._db.execute("UPDATE objects SET private = ? WHERE id = ?", (merged, object_id))

    def newest(self, kind: str, customer: str | None = None) -> Iterator[Record]:
        """All objects of a kind, the newest first."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE kind = ?1 AND (?2 IS NULL OR customer = ?2) ORDER BY sequence DESC",
            (kind, customer),
        )
        for (body,) in rows.fetchall():
            yield json.loads(body)

    def with_status(self, kind: str, status: str) -> list[Record]:
        """The objects of a kind that stand at a status, the oldest first."""
        query = "SELECT body FROM objects WHERE kind = ? AND json_extract(body, '$.status') = ? ORDER BY sequence"
        return [json.loads(body) for (body,) in self._db.execute(query, (kind, status)).fetchall()]

    def setting(self, name: str) -> Record:
        """A setting that survives restarts; empty when never set."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def save_setting(self, name: str, value: Record) -> None:
        """Keep a setting."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def remembered(self, key: str, max_age_seconds: float) -> sqlite3.Row | None:
        """The answer (path, fingerprint, status, body, request_id) that was given for an idempotency key."""
        self._db.execute("DELETE FROM idempotency_keys WHERE created < ?", (self.clock() - max_age_seconds,))
        query = "SELECT path, fingerprint, status, body, request_id FROM idempotency_keys WHERE key = ?"
        row: sqlite3.Row | None = self._db.execute(query, (key,)).fetchone()
        return row

    def remember(self, key: str, path: str, fingerprint: str, *, status: int, body: str, request_id: str) -> None:
        """Keep an answer for its idempotency key."""
        self._db.execute(
            "INSERT INTO idempotency_keys VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, path, fingerprint, status, body, request_id, self.clock()),
        )

    def schedule(self, event_id: str, delay_seconds: float) -> None:
        """Have an event delivered."""
        due_at = self.clock() + delay_seconds
        self._db.execute("INSERT INTO deliveries (event_id, due_at) VALUES (?, ?)", (event_id, due_at))

    def pending(self, due_before: float | None = None) -> list[tuple[int, str, int]]:
        """(delivery, event id, attempts so far) of what is still to be delivered, in the order of the events."""
        rows = self._db.execute(
            "SELECT sequence, event_id, attempts FROM deliveries WHERE ended IS NULL AND (?1 IS NULL OR due_at <= ?1)"
            " ORDER BY sequence",
            (due_before,),
        )
        return rows.fetchall()

    def forget_deliveries(self) -> None:
        """Deliver nothing of what is still waiting."""
        self._db.execute("UPDATE deliveries SET ended = 'forgotten' WHERE ended IS NULL")

    def delivered(self, delivery: int, ended: str | None, due_at: float) -> None:
        """Note an attempt: `ended` says how it ended for good, None that it is to be tried again at `due_at`."""
        self._db.execute(
            "UPDATE deliveries SET attempts = attempts + 1, ended = ?, due_at = ? WHERE sequence = ?",
            (ended, due_at, delivery),
        )
