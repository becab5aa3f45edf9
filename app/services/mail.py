"""E-mail: templates in app/services/mails (MJML for the eye, text for everybody), sent by SMTP."""

from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_FOLDER = Path(__file__).resolve().parent / "mails"
_SECONDS = 20


class Mailer:
    """Sends mails through one SMTP server, `smtp://user:password@host:587` or `smtps://...`."""

    def __init__(self, smtp_url: str, sender: str) -> None:
        parts = urlsplit(smtp_url)
        host, port = server_of(smtp_url)
        self._sender = sender
        self._server: dict[str, Any] = {
            "hostname": host,
            "port": port,
            "use_tls": parts.scheme == "smtps",
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "timeout": _SECONDS,
        }

    async def send(self, recipient: str, template: str, values: dict[str, Any]) -> None:
        """Send one mail. The text template's first line is the subject. Raises aiosmtplib.SMTPException or OSError."""
        subject, _, text = _environment().get_template(f"{template}.txt").render(values).partition("\n")
        message = EmailMessage()
        # A name in the subject may hold a line break, which a header must not.
        message["From"], message["To"], message["Subject"] = self._sender, recipient, " ".join(subject.split())
        message.set_content(text.lstrip())
        message.add_alternative(_html(template, values), subtype="html")
        await aiosmtplib.send(message, **self._server)


def server_of(smtp_url: str) -> tuple[str, int]:
    """Host and port of a mail server's URL; without a port, the one that clients submit mails to."""
    parts = urlsplit(smtp_url)
    return parts.hostname or "", parts.port or (465 if parts.scheme == "smtps" else 587)


def _html(template: str, values: dict[str, Any]) -> str:
    from mjml import mjml2html  # noqa: PLC0415  a compiled module that only the worker needs

    return str(mjml2html(_environment().get_template(f"{template}.mjml").render(values)))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["mjml"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
