"""Why somebody is not let in. The reason is for the log; the client learns only what RFC 6750 section 3.1 has a word
for."""

from enum import StrEnum

from starlette.responses import JSONResponse

from app.auth.actor import Unauthenticated


class Reason(StrEnum):
    """Every cause of a refusal, one word each, so that an operator can tell them apart in the log."""

    NO_CREDENTIALS = "no_credentials"
    TWO_AUTHORIZATION_HEADERS = "two_authorization_headers"
    UNKNOWN_SCHEME = "unknown_scheme"
    API_KEY_MALFORMED = "api_key_malformed"

    TOKEN_OVERSIZED = "token_oversized"
    TOKEN_MALFORMED = "token_malformed"
    TOKEN_TYPE = "token_type"
    ALGORITHM = "algorithm_not_allowed"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "bad_signature"
    ISSUER = "wrong_issuer"
    AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    CLAIM_MISSING = "claim_missing"
    SUBJECT = "bad_subject"
    TENANT_MISSING = "tenant_missing"
    TENANT_NOT_A_UUID = "tenant_not_a_uuid"
    ISSUER_UNAVAILABLE = "issuer_unavailable"

    ID_TOKEN = "id_token_of_another_sign_in"

    CSRF_TOKEN_MISSING = "csrf_token_missing"
    CSRF_TOKEN_WRONG = "csrf_token_wrong"
    CROSS_ORIGIN = "cross_origin"


_ERROR_BY_STATUS = {400: "invalid_request", 401: "invalid_token", 403: "csrf", 503: "temporarily_unavailable"}


def refusal_headers(refusal: Unauthenticated) -> dict[str, str]:
    """The answer's headers: a challenge (RFC 6750 section 3) that is the same for every bad token."""
    headers = {"Cache-Control": "no-store"}
    if refusal.reason == Reason.NO_CREDENTIALS:
        headers["WWW-Authenticate"] = (
            'Bearer realm="billing-portal"'  # RFC 6750: no error code where nothing was presented
        )
    elif refusal.status in {400, 401}:
        headers["WWW-Authenticate"] = f'Bearer realm="billing-portal", error="{_ERROR_BY_STATUS[refusal.status]}"'
    elif refusal.status == 503:
        headers["Retry-After"] = "10"
    return headers


def refusal_response(refusal: Unauthenticated) -> JSONResponse:
    """The whole answer to an unauthenticated request: 401, or 400 (two Authorization headers), 403 (CSRF: the identity
    is fine, the request is not the page's own) or 503 (the issuer's keys can't be fetched: the token may well be
    good); a challenge and one word."""
    error = _ERROR_BY_STATUS[refusal.status]
    return JSONResponse({"error": error}, status_code=refusal.status, headers=refusal_headers(refusal))
