"""The page, the security headers of every answer, and the host names that are served."""

from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.edge import served_hosts
from tests.edge.conftest import SIGNED_IN, Served, edge_app, serving

NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def policy(response: httpx.Response) -> dict[str, str]:
    directives = (one.strip().partition(" ") for one in response.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in directives}


@pytest.mark.parametrize(
    "path", ["/", "/purchases/123", "/pools/a/b", "/graphql", "/favicon.svg", "/nothing.js", "/broken"]
)
def test_every_answer_carries_the_security_headers(production: Served, path: str) -> None:
    response = production.client.get(path, headers=NAVIGATION)
    directives = policy(response)
    assert directives["default-src"] == "'none'"
    # With Stripe's own keys the card form is Stripe's: its script and frames, and nothing else of anybody's.
    assert directives["script-src"] == "'self' https://js.stripe.com https://*.js.stripe.com"
    assert directives["frame-src"] == "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com"
    assert "unsafe" not in response.headers["content-security-policy"]
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["connect-src"] == "'self' https://api.stripe.com"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert response.headers["strict-transport-security"].startswith("max-age=31536000")
    assert len(response.headers["x-request-id"]) >= 8
    assert "server" not in response.headers


def test_without_https_there_is_no_hsts_and_the_sandbox_may_be_called(development: Served) -> None:
    response = development.client.get("/", headers=NAVIGATION)
    assert "strict-transport-security" not in response.headers
    assert policy(response)["connect-src"] == "'self' http://127.0.0.1:8001"
    assert (policy(response)["script-src"], policy(response)["frame-src"]) == ("'self'", "'none'")


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_no_other_origin_is_let_in(production: Served, method: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"} | SIGNED_IN
    response = production.client.request(method, "/graphql", json={"query": "{ one { id } }"}, headers=headers)
    assert not [name for name in response.headers if name.startswith("access-control-")]


def test_assets_are_kept_for_ever_and_the_page_is_asked_for(production: Served) -> None:
    asset = production.client.get("/assets/index-abc123.js")
    assert (asset.status_code, asset.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert asset.headers["content-type"].startswith("text/javascript")
    for path in ("/", "/index.html", "/purchases/123?return=1"):
        page = production.client.get(path, headers=NAVIGATION)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
        assert "the page" in page.text
    again = production.client.get("/", headers={"If-None-Match": page.headers["etag"]} | NAVIGATION)
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/assets/gone.js", "/nothing.js", "/api/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]
)
def test_a_file_that_is_not_there_is_404_to_a_script(production: Served, path: str) -> None:
    response = production.client.get(path, headers={"Accept": "*/*"})
    assert response.status_code == 404
    assert "the page" not in response.text


def test_the_page_is_only_read(production: Served) -> None:
    assert production.client.post("/", headers=NAVIGATION).status_code == 405


def test_graphiql_is_for_browsers_in_development(development: Served, production: Served) -> None:
    shown = development.client.get("/graphql", headers=NAVIGATION)
    assert shown.status_code == 200
    assert "GraphiQL" in shown.text
    assert policy(shown)["script-src"] == "'self'"
    assert production.client.get("/graphql", headers=NAVIGATION).status_code == 405
    for served in (development, production):
        assert "GraphiQL" not in served.client.get("/graphiql.html", headers=NAVIGATION).text
        assert served.client.get("/graphql", headers={"Accept": "application/json"}).status_code == 405


def test_without_a_page_the_reason_is_shown_and_the_api_works(tmp_path: Path) -> None:
    (tmp_path / "page-build.log").write_text("Building the page ...\nnpm error <network> ECONNREFUSED\n")
    settings = Settings(env="development", data_dir=tmp_path)
    with serving(edge_app(settings, tmp_path / "dist"), settings) as served:
        response = served.client.get("/", headers=NAVIGATION)
        assert response.status_code == 503
        assert "The page is not built" in response.text
        assert "npm error &lt;network&gt; ECONNREFUSED" in response.text
        assert served.ask("{ one { id } }").status_code == 200


# --- host names ---


@pytest.mark.parametrize(
    "host", ["evil.example", "portal.example.evil.example", "127.0.0.1", "localhost", "[::1]", "a b", ""]
)
def test_production_serves_its_own_name_only(production: Served, host: str) -> None:
    response = production.client.post("/graphql", json={"query": "{ one { id } }"}, headers=SIGNED_IN | {"Host": host})
    assert response.status_code == 421
    assert response.json()["errors"][0]["extensions"] == {"code": "WRONG_HOST"}


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("127.0.0.1:9", 200), ("192.168.1.7", 200), ("evil.example", 421)]
)
def test_development_serves_this_machine_and_addresses(development: Served, host: str, status: int) -> None:
    assert development.ask("{ one { id } }", {"Host": host}).status_code == status


def test_further_names_are_configured() -> None:
    settings = Settings(
        env="production", public_url="https://portal.example:8443", allowed_hosts="a.example, b.example:80"
    )
    assert served_hosts(settings) == {"portal.example", "a.example", "b.example"}


def test_probes_come_by_any_name(production: Served) -> None:
    response = production.client.get("/healthz", headers={"Host": "10.0.0.7:8000", "Accept": "*/*"})
    assert response.status_code == 404  # the probe schema's portal has no such route; the host was not refused
