"""What any sandbox of the run is sent, by whichever process, is held against Stripe's published types: after each test, and at the end.

A sandbox keeps a journal of its requests. Looking takes them out of it, so that none is seen twice and none falls between two looks.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

# A request with this header is wrong on purpose, and not held against Stripe's types.
DELIBERATELY_WRONG = "X-Deliberately-Wrong"
_watched: dict[str, str] = {}  # a sandbox's base URL -> its secret key
_found: list[str] = []


def watch(url: str, secret_key: str) -> None:
    """Look at this sandbox from now on."""
    _watched[url] = secret_key


def unwatch(url: str) -> None:
    """Look at this sandbox a last time, before it ends. AssertionError if anything was wrong."""
    try:
        look(url)
    finally:
        del _watched[url]
    complain()


def is_watched(url: str) -> bool:
    return url in _watched


@contextlib.contextmanager
def watching(url: str, secret_key: str) -> Iterator[None]:
    """Look at a sandbox as long as the block lasts; within another such block there is nothing more to do."""
    if is_watched(url):
        yield
        return
    watch(url, secret_key)
    try:
        yield
    finally:
        unwatch(url)


def look(url: str) -> None:
    """Take what this sandbox was sent out of its journal, hold it against the types, and keep what is wrong for `complain`."""
    headers = {"Authorization": f"Bearer {_watched[url]}"}
    with httpx.Client(headers=headers, trust_env=False, verify=False) as steer:
        _keep(steer.delete(f"{url}/_control/requests").raise_for_status().json())


async def look_at_forgotten(answer: httpx.Response) -> None:
    """A hook for clients that steer a sandbox: what a test has its journal forget is looked at, too."""
    if answer.request.method == "DELETE" and answer.request.url.path.endswith("/_control/requests"):
        await answer.aread()
        _keep(answer.raise_for_status().json())


def _keep(taken: dict[str, Any]) -> None:
    _found.extend(faults_of(taken["requests"]))
    if taken["lost"]:
        _found.append(f"The journal was too short: {taken['lost']} requests were never looked at")


def complain() -> None:
    """AssertionError that names whatever was wrong since the last time."""
    found = list(_found)
    _found.clear()
    assert not found, "Stripe's types hold against what was sent:\n" + "\n".join(found)


@pytest.fixture(autouse=True)
def _requests_are_as_stripe_publishes() -> Iterator[None]:
    """After every test: whatever was sent to a sandbox must fit Stripe's published types."""
    yield
    for url in list(_watched):
        with contextlib.suppress(httpx.TransportError):  # a portal that the test has killed: its sandbox went with it
            look(url)
    complain()


def faults_of(requests: list[dict[str, Any]]) -> list[str]:
    """What Stripe's types hold against these requests, but for those that are wrong on purpose."""
    if not requests:
        return []
    from tests.payments import stripe_types  # loads Stripe's library, which most tests never need

    found = []
    for sent in requests:
        if DELIBERATELY_WRONG.lower() in sent["headers"] or sent["method"] == "OPTIONS":
            continue
        items = [(name, value) for name, value in sent["items"]]
        if "PythonBindings" not in sent["headers"].get("user-agent", "") and sent["path"].endswith("/confirm"):
            # The page names the client secret with every call; the library, which has the secret key, never needs to.
            items = [(name, value) for name, value in items if name != "client_secret"]
        found += stripe_types.wrong_version(sent["headers"])
        found += stripe_types.faults(sent["method"], sent["path"], items)
    return found
