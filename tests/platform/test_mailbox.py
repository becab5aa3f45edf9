"""Development's mailbox: mail comes in by SMTP, is kept as it came, and is shown without running anything in it."""

import socket
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from app.embedded import mailbox


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = mailbox.create_app(mailbox.Mailbox(tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mailbox") as client:
        yield client


def mail(subject: str = "Receipt <1>", html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "billing@portal.example", "elena@rivera.example", subject
    message.set_content("Ten credits, bought by Zoë.\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message


async def test_keeps_what_comes_by_smtp_and_shows_it(page: httpx.AsyncClient, tmp_path: Path) -> None:
    port = free_port()
    async with mailbox.receiving(mailbox.Mailbox(tmp_path), port):
        await aiosmtplib.send(mail(html="<h1>Thanks</h1><script>alert(1)</script>"), hostname="127.0.0.1", port=port)
    (kept,) = (await page.get("/messages.json")).json()
    assert (kept["to"], kept["subject"]) == ("elena@rivera.example", "Receipt <1>")
    assert kept["text"].strip() == "Ten credits, bought by Zoë."
    listing = (await page.get("/")).text
    assert "Receipt &lt;1&gt;" in listing
    shown = await page.get(f"/{kept['name']}")
    assert "Ten credits, bought by Zoë." in shown.text
    assert "<script>" not in shown.text
    assert f'<iframe sandbox src="{kept["name"]}/html"' in shown.text
    html = await page.get(f"/{kept['name']}/html")
    assert html.text.strip() == "<h1>Thanks</h1><script>alert(1)</script>"
    assert html.headers["content-security-policy"].startswith("default-src 'none'")
    assert "sandbox" in html.headers["content-security-policy"]


async def test_an_empty_mailbox_says_so(page: httpx.AsyncClient) -> None:
    assert "No mail yet" in (await page.get("/")).text


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fetc%2fpasswd", "%00"])
async def test_names_that_are_not_listed_are_not_found(page: httpx.AsyncClient, name: str) -> None:
    assert (await page.get(f"/{name}")).status_code == 404


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "_KEPT", 3)
    box = mailbox.Mailbox(tmp_path)
    for number in range(5):
        box.keep(mail(subject=str(number)).as_bytes())
    assert [box.read(name)["Subject"] for name in box.names()] == ["4", "3", "2"]  # type: ignore[index]
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_no_mail_is_kept_and_shown_all_the_same(tmp_path: Path) -> None:
    box = mailbox.Mailbox(tmp_path)
    box.keep(b"\xff\xfe no headers at all")
    assert box.read(box.names()[0]) is not None
