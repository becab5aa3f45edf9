"""Who is calling, and what they may do. `authenticate` names a principal; `app.auth.actor.acting` makes an actor of
it."""

from app.auth.actor import Unauthenticated
from app.auth.authentication import Identity, authenticate
from app.auth.refusals import refusal_headers, refusal_response

__all__ = ["Identity", "Unauthenticated", "authenticate", "refusal_headers", "refusal_response"]
