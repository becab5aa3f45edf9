"""The pages that Stripe hosts: the bank's 3-D Secure step and the receipt."""

import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from jinja2 import DictLoader, Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.embedded.stripe import attempts, setup_intents
from app.embedded.stripe.api import Api
from app.embedded.stripe.calls import Call
from app.embedded.stripe.refusals import Record
from app.embedded.stripe.state import State
from app.embedded.stripe.webhooks import Webhooks

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{% block title %}{% endblock %}</title>
<style>
  :root { color-scheme: light dark; --ink: #1a1f36; --soft: #4f566b; --line: #d8dee8; --card: #fff; --page: #f2f5f9;
          --accent: #3b49df; --accent-ink: #fff; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #eef1f8; --soft: #b3bccd; --line: #3a4358; --card: #1b2132; --page: #10141f;
            --accent: #a9b4ff; --accent-ink: #10141f; } }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
         Roboto, sans-serif; display: grid; min-height: 100vh; place-items: start center; padding: 8vh 1rem 2rem; }
  main { width: min(30rem, 100%); background: var(--card); border: 1px solid var(--line); border-radius: 12px;
         padding: 2rem; }
  h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
  p { margin: 0 0 1rem; color: var(--soft); }
  .amount { font-size: 2.25rem; font-weight: 650; letter-spacing: -.02em; color: var(--ink); margin: 0 0 1rem;
            font-variant-numeric: tabular-nums; }
  dl { margin: 1.25rem 0; border-top: 1px solid var(--line); }
  dl div { display: flex; justify-content: space-between; gap: 1rem; padding: .6rem 0;
           border-bottom: 1px solid var(--line); }
  dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
  form { display: flex; gap: .75rem; margin-top: 1.5rem; }
  button { flex: 1; font: inherit; font-weight: 600; min-height: 44px; border-radius: 8px; cursor: pointer;
           border: 1px solid var(--accent); background: var(--accent); color: var(--accent-ink); }
  button.quiet { background: transparent; color: var(--ink); border-color: var(--soft); }
  button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  small { color: var(--soft); }
  @media print { body { background: #fff; padding: 0; } main { border: 0; } }
</style>
</head>
<body><main>{% block body %}{% endblock %}</main></body>
</html>"""

_CHALLENGE = """{% extends "layout" %}
{% block title %}{{ heading }}{% endblock %}
{% block body %}
<h1>{{ heading }}</h1>
<p>Your bank wants to know that it is you. This is a test page: choose how the check ends.</p>
{% if amount %}<p class="amount">{{ amount }}</p>{% endif %}
<dl>
  <div><dt>For</dt><dd>{{ intent.description or ("Payment" if amount else "Later payments") }}</dd></div>
  <div><dt>Card</dt><dd>{{ card.brand | title }} ending in {{ card.last4 }}</dd></div>
</dl>
<form method="post">
  <input type="hidden" name="client_secret" value="{{ intent.client_secret }}">
  <button type="submit" name="outcome" value="complete">Complete</button>
  <button type="submit" name="outcome" value="fail" class="quiet">Fail</button>
</form>
{% endblock %}"""

_RECEIPT = """{% extends "layout" %}
{% block title %}Receipt for {{ amount }}{% endblock %}
{% block body %}
<h1>Receipt</h1>
<p>Paid on {{ paid_on }}. Keep this page or print it for your records.</p>
<p class="amount">{{ amount }}</p>
<dl>
  <div><dt>For</dt><dd>{{ charge.description or "Payment" }}</dd></div>
  <div><dt>Amount paid</dt><dd>{{ amount }}</dd></div>
  {% if charge.amount_refunded %}<div><dt>Refunded</dt><dd>{{ refunded }}</dd></div>{% endif %}
  <div><dt>Payment method</dt><dd>{{ card.brand | title }} ending in {{ card.last4 }}</dd></div>
  {% if customer and customer.email %}<div><dt>Customer</dt><dd>{{ customer.email }}</dd></div>{% endif %}
  <div><dt>Receipt number</dt><dd>{{ charge.id }}</dd></div>
</dl>
<small>Test payment: no money has moved.</small>
{% endblock %}"""

_ABSENT = """{% extends "layout" %}
{% block title %}Not found{% endblock %}
{% block body %}<h1>Not found</h1><p>There is nothing at this address.</p>{% endblock %}"""

_PAGES = {"layout": _LAYOUT, "challenge": _CHALLENGE, "receipt": _RECEIPT, "absent": _ABSENT}
_ENVIRONMENT = Environment(loader=DictLoader(_PAGES), autoescape=True)


class Hosted:
    """The hosted pages over one sandbox."""

    def __init__(self, state: State, api: Api, webhooks: Webhooks) -> None:
        self._state = state
        self._api = api
        self._webhooks = webhooks

    async def challenge(self, request: Request) -> Response:
        """Show the 3-D Secure step (GET), or end it and send the browser back with Stripe's parameters (POST)."""
        intent = self._intent(request.path_params["intent"])
        form = dict(await request.form()) if request.method == "POST" else dict(request.query_params)
        if intent is None or not hmac.compare_digest(str(form.get("client_secret", "")), intent["client_secret"]):
            return _page("absent", 404)
        return_url = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
        if intent["status"] != "requires_action":
            return_url = self._state.private(intent["id"]).get("returned_to")
            return _back(intent, return_url)
        if request.method == "GET" or form.get("outcome") not in {"complete", "fail"}:
            card = (self._state.find("payment_method", intent["payment_method"]) or {})["card"]
            heading, amount = _about(intent)
            return _page("challenge", intent=intent, card=card, heading=heading, amount=amount)
        step = attempts if intent["object"] == "payment_intent" else setup_intents
        with self._state.transaction():
            call = Call(self._state, self._api.base_url(request))
            intent = step.authenticate(call, intent, passed=form["outcome"] == "complete")
            self._state.save_private(intent["id"], returned_to=return_url)
        self._webhooks.wake()
        return _back(intent, return_url)

    def _intent(self, intent_id: str) -> Record | None:
        return self._state.find("payment_intent", intent_id) or self._state.find("setup_intent", intent_id)

    async def receipt(self, request: Request) -> Response:
        """The receipt of a charge, for whoever has its unguessable address."""
        charge = self._state.find("charge", request.path_params["charge"])
        token = self._state.private(request.path_params["charge"]).get("receipt_token", "")
        if charge is None or not charge["paid"] or not hmac.compare_digest(request.path_params["token"], token):
            return _page("absent", 404)
        return _page(
            "receipt",
            charge=charge,
            card=charge["payment_method_details"]["card"],
            customer=charge["customer"] and self._state.find("customer", charge["customer"]),
            amount=_money(charge["amount"], charge["currency"]),
            refunded=_money(charge["amount_refunded"], charge["currency"]),
            paid_on=datetime.fromtimestamp(charge["created"], UTC).strftime("%-d %B %Y"),
        )


def _page(name: str, status: int = 200, **values: object) -> HTMLResponse:
    return HTMLResponse(_ENVIRONMENT.get_template(name).render(values), status, _HEADERS)


def _back(intent: Record, return_url: str | None) -> Response:
    """To the merchant, with what Stripe appends; the merchant asks the API for the truth."""
    if return_url is None:
        return _page("absent", 404)
    parts = urlsplit(return_url)
    added = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if intent["status"] in {"succeeded", "processing"} else "failed",
    }
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return RedirectResponse(urlunsplit(parts._replace(query=query)), 303, {"Referrer-Policy": "no-referrer"})


def _about(intent: Record) -> tuple[str, str]:
    """What the customer confirms: a payment of an amount, or that the card is saved."""
    if intent["object"] == "setup_intent":
        return "Confirm your card", ""
    return "Confirm your payment", _money(intent["amount"], intent["currency"])


def _money(cents: int, currency: str) -> str:
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(currency, "")
    return f"{sign}{cents // 100:,}.{cents % 100:02d} {currency.upper()}"
