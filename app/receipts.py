"""GET /receipts/<id of a purchase>.pdf: our own receipt, for whoever may see the purchase in the API."""

from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.auth.actor import Unauthenticated
from app.auth.authentication import Identity, authenticate
from app.auth.refusals import refusal_headers
from app.rules.errors import Invalid, NotFound
from app.rules.node_ids import uuid_of
from app.services.receipt_documents import ReceiptDocuments, TooManyReceipts

_PRIVATE = {"Cache-Control": "private, no-store"}


class ReceiptEndpoint:
    """Answers with the PDF; a browser that is not signed in is led to the sign-in and back."""

    def __init__(self, documents: ReceiptDocuments, identity: Identity) -> None:
        self._documents = documents
        self._identity = identity

    async def __call__(self, request: Request) -> Response:
        try:
            principal = await authenticate(request, self._identity)
        except Unauthenticated as refusal:
            return _sign_in(request) if _is_browser(request, refusal) else _unauthenticated(refusal)
        # What is no id of a purchase is asked for all the same, as an id that no purchase has: both read alike.
        purchase_id = uuid_of(request.path_params["purchase"], "CreditPurchase") or UUID(int=0)
        try:
            document = await self._documents.of(principal, purchase_id)
        except Unauthenticated as refusal:
            return _unauthenticated(refusal)
        except NotFound as refusal:
            return PlainTextResponse(refusal.message, 404, _PRIVATE)
        except Invalid as refusal:
            return PlainTextResponse(refusal.message, 409, _PRIVATE)
        except TooManyReceipts:
            words = "Many receipts are being made just now. Ask again in a moment."
            return PlainTextResponse(words, 503, _PRIVATE | {"Retry-After": "5"})
        headers = {"Content-Disposition": f'inline; filename="receipt-{document.number}.pdf"'}
        return Response(document.pdf, headers=_PRIVATE | headers, media_type="application/pdf")


def _is_browser(request: Request, refusal: Unauthenticated) -> bool:
    """Somebody followed a link; a program gets its status."""
    asks_for_a_page = "text/html" in request.headers.get("accept", "")
    return refusal.status == 401 and asks_for_a_page and "authorization" not in request.headers


def _sign_in(request: Request) -> Response:
    return RedirectResponse(f"/auth/login?{urlencode({'return_to': request.url.path})}", 303, _PRIVATE)


def _unauthenticated(refusal: Unauthenticated) -> Response:
    words = "Sign in, or send a valid token in the Authorization header."
    return PlainTextResponse(words, refusal.status, refusal_headers(refusal))
