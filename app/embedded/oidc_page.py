"""The embedded issuer's pages: plain HTML that works without scripts, in light and in dark."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from app.embedded.oidc import Person

_CSS = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #16181d; --soft: #596170; --line: #d9dde4;
  --accent: #3a4fd0; }
@media (prefers-color-scheme: dark) {
  :root { --page: #111318; --card: #1a1d24; --text: #eceef2; --soft: #a3abba; --line: #313642; --accent: #9db0ff; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 3rem 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 0 auto; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
h2 { margin: 1.75rem 0 .5rem; font-size: .9375rem; font-weight: 600; color: var(--soft); }
p { margin: 0; color: var(--soft); }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem; }
button { font: inherit; color: inherit; cursor: pointer; border-radius: .625rem;
  border: 1px solid var(--line); background: var(--card); }
button:hover { border-color: var(--accent); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.person { width: 100%; padding: .75rem 1rem; display: flex;
  justify-content: space-between; align-items: center; gap: 1rem; text-align: start; }
.person strong { display: block; font-weight: 600; }
.person span span { color: var(--soft); overflow-wrap: anywhere; }
.role { flex: none; padding: .125rem .625rem; border: 1px solid var(--line);
  border-radius: 1rem; font-size: .8125rem; color: var(--soft);
  text-transform: capitalize; }
@media (max-width: 26rem) { .person { flex-direction: column; align-items: start; gap: .375rem; } }
.cancel { margin-top: 2rem; padding: .5rem 1rem; background: none; }
"""

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ css }}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ text }}</p>
{% if tenants %}
<form method="post">
{% for name, value in parameters.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}
{% for tenant, people in tenants %}
<section aria-labelledby="tenant-{{ loop.index }}">
<h2 id="tenant-{{ loop.index }}">{{ tenant }}</h2>
<ul>
{% for person in people %}
<li><button class="person" name="person" value="{{ person.tenant_id }}/{{ person.subject }}">
<span><strong>{{ person.display_name }}</strong><span>{{ person.email }}</span></span>
<span class="role">{{ person.role }}</span>
</button></li>
{% endfor %}
</ul>
</section>
{% endfor %}
<button class="cancel" name="cancel" value="yes">Cancel</button>
</form>
{% endif %}
</main>
</body>
</html>
"""

_TEMPLATE = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(_FRAME)
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()

# No form-action: browsers apply it to the redirect after the form too, and that leads to the portal's own address.
_POLICY = ("default-src 'none'", f"style-src 'sha256-{_CSS_HASH}'", "base-uri 'none'", "frame-ancestors 'none'")
PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_HIDDEN = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)


def choose_page(people: Sequence["Person"], parameters: Mapping[str, str]) -> str:
    """The page to choose a person, by tenant, in the order given; the request's parameters go along with the choice."""
    by_tenant: dict[str, list[Person]] = {}
    for person in people:
        by_tenant.setdefault(person.tenant_name, []).append(person)
    tenants = list(by_tenant.items())
    text = "These are the demo people of this development system. No password is needed."
    if not tenants:
        return message_page("Nobody to sign in as", "There are no demo people in the database. Run: portal seed")
    hidden = {name: parameters[name] for name in _HIDDEN if name in parameters}
    return _render("Sign in as", text, tenants, hidden)


def message_page(title: str, text: str) -> str:
    """A page that only says something."""
    return _render(title, text, [], {})


def _render(title: str, text: str, tenants: list[tuple[str, list["Person"]]], parameters: Mapping[str, str]) -> str:
    # The style sheet is ours and must reach the page byte for byte: the policy names its hash.

    return _TEMPLATE.render(title=title, text=text, tenants=tenants, parameters=parameters, css=Markup(_CSS))  # noqa: S704
