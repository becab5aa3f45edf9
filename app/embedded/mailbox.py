"""Development's mailbox: an SMTP server that keeps every mail in a directory, and a page that lists and shows them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

_KEPT = 500  # mails; older ones are deleted
_LARGEST = 10 * 1024 * 1024  # bytes of one mail
# A mail is somebody else's HTML: it may show itself, and neither run scripts nor load anything.
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'"
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100%; border-collapse: collapse } td, th { text-align: left; padding: .4rem .6rem .4rem 0 }
tr { border-bottom: 1px solid #8884 } pre { white-space: pre-wrap }
iframe { width: 100%; height: 60vh; border: 1px solid #8884; background: #fff }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem } dd { margin: 0 }
"""


class Mailbox:
    """The mails in one directory, each in a file of its own, named by the time it came."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, content: bytes) -> None:
        """Store one mail whole or not at all, and drop the oldest ones beyond what is kept."""
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        making = self._directory / f"{name}.new"
        making.write_bytes(content)
        making.rename(self._directory / f"{name}.eml")
        for old in self.names()[_KEPT:]:
            (self._directory / f"{old}.eml").unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The mails' names, newest first."""
        return sorted((path.stem for path in self._directory.glob("*.eml")), reverse=True)

    def read(self, name: str) -> EmailMessage | None:
        """A mail by its name, or None."""
        if name not in self.names():  # nothing but a listed name ever becomes a path
            return None
        message = message_from_bytes((self._directory / f"{name}.eml").read_bytes(), policy=policy.default)
        return message if isinstance(message, EmailMessage) else None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail in; its name and signature are aiosmtpd's."""
        content = envelope.content or b""
        await asyncio.to_thread(self.keep, content if isinstance(content, bytes) else content.encode())
        return "250 Kept"


@asynccontextmanager
async def receiving(mailbox: Mailbox, port: int) -> AsyncIterator[None]:
    """Receive mail by SMTP on a port of 127.0.0.1 for as long as the context is open."""
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(mailbox, data_size_limit=_LARGEST, enable_SMTPUTF8=True, hostname="mailbox", loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


def create_app(mailbox: Mailbox) -> Starlette:
    """The page: `/` lists (also as `/messages.json`), `/NAME` shows one, `/NAME/html` is its own HTML in a sandbox."""

    async def listing(_request: Request) -> Response:
        rows = "".join(_row(name, mailbox.read(name)) for name in mailbox.names())
        table = f"<table><tr><th>Came</th><th>To</th><th>Subject</th></tr>{rows}</table>"
        return _page("Mailbox", table if rows else "<p>No mail yet.</p>")

    async def messages(_request: Request) -> Response:
        return JSONResponse([_as_json(name, mailbox.read(name)) for name in mailbox.names()])

    async def one(request: Request) -> Response:
        name, message = request.path_params["name"], _found(mailbox, request)
        parts = "".join(f"<dt>{part}</dt><dd>{escape(message.get(part, ''))}</dd>" for part in ("From", "To", "Date"))
        html = f'<iframe sandbox src="{escape(name)}/html" title="The mail"></iframe>' if _body(message, "html") else ""
        text = f"<h2>As text</h2><pre>{escape(_body(message, 'plain'))}</pre>"
        return _page(
            message.get("Subject", "(no subject)"), f"<p><a href='./'>All mails</a></p><dl>{parts}</dl>{html}{text}"
        )

    async def html(request: Request) -> Response:
        body = _body(_found(mailbox, request), "html")
        return HTMLResponse(
            body, headers={"Content-Security-Policy": _MAIL_POLICY, "X-Content-Type-Options": "nosniff"}
        )

    return Starlette(
        routes=[
            Route("/", listing),
            Route("/messages.json", messages),
            Route("/{name}", one),
            Route("/{name}/html", html),
        ]
    )


def _found(mailbox: Mailbox, request: Request) -> EmailMessage:
    message = mailbox.read(request.path_params["name"])
    if message is None:
        raise HTTPException(404, "No such mail")
    return message


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _came(name: str) -> datetime:
    return datetime.fromtimestamp(int(name.partition("-")[0]) / 1e9, UTC)


def _row(name: str, message: EmailMessage | None) -> str:
    if message is None:  # deleted meanwhile
        return ""
    subject = message.get("Subject") or "(no subject)"
    cells = (
        f"{_came(name):%Y-%m-%d %H:%M:%S}",
        escape(message.get("To", "")),
        f'<a href="{name}">{escape(subject)}</a>',
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _as_json(name: str, message: EmailMessage | None) -> dict[str, str]:
    fields = {key.lower(): str(message.get(key, "")) if message else "" for key in ("From", "To", "Subject")}
    text = _body(message, "plain") if message else ""
    return {"name": name, "received_at": _came(name).isoformat(), **fields, "text": text}


def _page(title: str, body: str) -> HTMLResponse:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return HTMLResponse(
        f"{head}<h1>{escape(title)}</h1>{body}</html>", headers={"Content-Security-Policy": _PAGE_POLICY}
    )
