"""What a person sees when a sign-in fails: a page that says what happened and what to do, or the same as JSON."""

import base64
import hashlib
from enum import StrEnum
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response


class SignInFailure(StrEnum):
    """Why a sign-in did not come to its end. The word is for machines, the text below for people."""

    NOT_STARTED_HERE = "sign_in_not_started_here"
    CANCELLED = "sign_in_cancelled"
    ISSUER_REFUSED = "issuer_refused"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    NOT_ACCEPTED = "identity_not_accepted"
    NO_ACCOUNT = "no_account"
    TOKEN_TOO_LARGE = "token_too_large"


_ANSWERS: dict[SignInFailure, tuple[int, str, str]] = {
    SignInFailure.NOT_STARTED_HERE: (
        400,
        "This sign-in has lapsed",
        "It was not started in this browser, or it took longer than ten minutes. Nothing is lost: start again.",
    ),
    SignInFailure.CANCELLED: (403, "You did not sign in", "The sign-in was cancelled. You can start again."),
    SignInFailure.ISSUER_REFUSED: (
        502,
        "The identity provider refused",
        "It did not complete this sign-in. Start again; if it happens again, tell your administrator.",
    ),
    SignInFailure.ISSUER_UNAVAILABLE: (
        503,
        "The identity provider can't be reached",
        "You can't sign in at the moment. Try again in a minute.",
    ),
    SignInFailure.NOT_ACCEPTED: (
        403,
        "Your identity was not accepted",
        "The identity provider signed you in, yet not for this portal. Tell your administrator.",
    ),
    SignInFailure.NO_ACCOUNT: (
        403,
        "You have no account here",
        "You are signed in, but nobody has added you to this portal yet. Ask for an invitation.",
    ),
    SignInFailure.TOKEN_TOO_LARGE: (
        502,
        "This sign-in can't be kept",
        "The identity provider's token is too large for a browser's cookie. Tell your administrator.",
    ),
}

_CSS = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 15vh 1.5rem 2rem; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 30rem; margin: 0 auto; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
"""
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the code
    "X-Content-Type-Options": "nosniff",
}


def failure_response(request: Request, failure: SignInFailure) -> Response:
    """The answer to a failed sign-in: HTML for a browser, else JSON `{"error", "message"}`. It says nothing of the cause."""
    status, title, text = _ANSWERS[failure]
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": failure.value, "message": text}, status_code=status, headers=_HEADERS)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_CSS}</style></head>'
        f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>"
        '<p><a href="/auth/login">Sign in</a></p></main></body></html>'
    )
    return HTMLResponse(page, status_code=status, headers=_HEADERS)
