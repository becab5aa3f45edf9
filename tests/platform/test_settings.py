"""What the environment says, what development fills in, what production refuses: each in one line that names the variable."""

import re
import stat
from pathlib import Path

import pytest

from app.config import PROJECT, Settings, SettingsError, unknown_variables, variable
from app.embedded.settings import uses_embedded_postgres, uses_embedded_services
from app.environment import load_settings

PRODUCTION = {
    "PORTAL_ENV": "production",
    "PORTAL_PUBLIC_URL": "https://billing.acme.test",
    "PORTAL_SECRET_KEY": "6f1c0f7d9f4e4d0bb2a7a53f8c3e9d21",
    "PORTAL_DATABASE_URL": "postgresql://portal_owner:a@db/portal",
    "PORTAL_DATABASE_APP_URL": "postgresql://portal_app:b@db/portal",
    "PORTAL_DATABASE_WORKER_URL": "postgresql://portal_worker:c@db/portal",
    "PORTAL_STRIPE_API_KEY": "sk_live_abc",
    "PORTAL_STRIPE_PUBLISHABLE_KEY": "pk_live_abc",
    "PORTAL_STRIPE_WEBHOOK_SECRET": "whsec_abc",
    "PORTAL_OIDC_ISSUER": "https://id.acme.test",
    "PORTAL_SMTP_URL": "smtp://mail.acme.test:587",
    "PORTAL_MAIL_FROM": "Acme <billing@acme.test>",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.setenv("PORTAL_DATA_DIR", str(tmp_path / "data"))


def in_production(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in {**PRODUCTION, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORTAL_PORT", "eighty", "PORTAL_PORT=eighty is wrong: expected the port to serve on, 1 to 65535"),
        ("PORTAL_PORT", "65536", "PORTAL_PORT=65536 is wrong: expected the port to serve on, 1 to 65535"),
        ("PORTAL_ENV", "staging", "PORTAL_ENV=staging is wrong: expected development or production"),
        ("PORTAL_POSTGRES_VERSION", "15", "PORTAL_POSTGRES_VERSION=15 is wrong"),
        ("PORTAL_DATABASE_URL", "mysql://root:hunter2@db/x", "PORTAL_DATABASE_URL is wrong: expected postgresql://"),
        ("PORTAL_OIDC_ISSUER", "id.acme.test", "PORTAL_OIDC_ISSUER=id.acme.test is wrong"),
        ("PORTAL_SMTP_URL", "mail.acme.test", "PORTAL_SMTP_URL is wrong: expected smtp://"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    message = refusal()
    assert message.startswith(expected)
    assert "hunter2" not in message


def test_several_wrong_values_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_PORT", "0")
    monkeypatch.setenv("PORTAL_ENV", "test")
    assert refusal().endswith("(also to set right: PORTAL_PORT=0)")


def test_empty_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_PORT", "")
    assert load_settings().port == 8000


def test_development_needs_nothing_and_fills_in_the_same_values_again(tmp_path: Path) -> None:
    first, second = load_settings(), load_settings()
    assert first == second
    assert first.public_url == "http://127.0.0.1:8000"
    assert first.stripe_api_base == "http://127.0.0.1:8001/stripe"
    assert first.oidc_issuer == "http://127.0.0.1:8001/oidc"
    assert first.smtp_url == "smtp://127.0.0.1:8002"
    assert "portal_app@" in first.database_app_url
    assert uses_embedded_postgres(first)
    assert uses_embedded_services(first)
    secret = tmp_path / "data" / "secret-key"
    assert first.secret_key == secret.read_text()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_secrets_stay_out_of_repr() -> None:
    settings = load_settings()
    shown = repr(settings)
    for secret in (settings.secret_key, settings.stripe_webhook_secret, settings.database_app_url):
        assert secret
        assert secret not in shown


def test_a_database_of_ones_own_gets_its_roles_with_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_DATABASE_URL", "postgres://me:pw@db:5433/portal?sslmode=require")
    settings = load_settings()
    assert not uses_embedded_postgres(settings)
    assert settings.database_url == "postgresql+asyncpg://me:pw@db:5433/portal?sslmode=require"
    pattern = r"postgresql\+asyncpg://portal_(app|worker):[0-9a-f]{64}@db:5433/portal\?sslmode=require"
    assert re.fullmatch(pattern, settings.database_app_url)
    assert re.fullmatch(pattern, settings.database_worker_url)
    assert "pw" not in settings.database_app_url


def test_a_stripe_key_of_ones_own_brings_nothing_of_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_STRIPE_API_KEY", "sk_test_mine")
    assert refusal().startswith("PORTAL_STRIPE_WEBHOOK_SECRET is missing, while PORTAL_STRIPE_API_KEY is set")
    monkeypatch.setenv("PORTAL_STRIPE_WEBHOOK_SECRET", "whsec_mine")
    monkeypatch.setenv("PORTAL_STRIPE_PUBLISHABLE_KEY", "pk_test_mine")
    assert load_settings().stripe_api_base == ""


def test_a_port_without_room_above_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_PORT", "65535")
    assert refusal().startswith("PORTAL_SERVICES_PORT is missing")


def test_production_takes_complete_settings_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_production(monkeypatch)
    settings = load_settings()
    assert settings.env == "production"
    assert settings.stripe_api_base == ""
    assert not (tmp_path / "data").exists()
    assert not uses_embedded_services(settings)


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - {"PORTAL_ENV"}))
def test_production_refuses_each_missing_value_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    in_production(monkeypatch, **{name: None})
    assert refusal().startswith(f"{name} is missing: expected ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_SECRET_KEY", "short"),
        ("PORTAL_SECRET_KEY", "a" * 64),
        ("PORTAL_SECRET_KEY", "development-6f1c0f7d9f4e4d0bb2a7a53f8c3e9d21"),
        ("PORTAL_PUBLIC_URL", "http://billing.acme.test"),
        ("PORTAL_DATABASE_URL", "postgresql://portal_owner@/portal?host=/var/lib/billing-portal/x/run-18"),
        ("PORTAL_DATABASE_APP_URL", "postgresql://portal_app@/portal?host=/home/me/portal/.portal/postgres/run-18"),
        ("PORTAL_DATABASE_APP_URL", PRODUCTION["PORTAL_DATABASE_URL"]),
        ("PORTAL_DATABASE_WORKER_URL", PRODUCTION["PORTAL_DATABASE_URL"]),
        ("PORTAL_STRIPE_API_KEY", "sk_test_sandbox"),
        ("PORTAL_STRIPE_API_KEY", "sk_test_abc"),
        ("PORTAL_STRIPE_API_KEY", "pk_live_abc"),
        ("PORTAL_STRIPE_PUBLISHABLE_KEY", "pk_test_sandbox"),
        ("PORTAL_STRIPE_WEBHOOK_SECRET", "whsec_sandbox123"),
        ("PORTAL_STRIPE_WEBHOOK_SECRET", "123"),
        ("PORTAL_STRIPE_API_BASE", "http://127.0.0.1:8001/stripe"),
        ("PORTAL_STRIPE_API_BASE", "https://localhost/stripe"),
        ("PORTAL_SMTP_URL", "smtp://127.0.0.1:8002"),
        ("PORTAL_OIDC_ISSUER", "http://127.0.0.1:8001/oidc"),
        ("PORTAL_OIDC_ISSUER", "http://id.acme.test"),
        ("PORTAL_MAIL_FROM", "Billing <billing@portal.example>"),
    ],
)
def test_production_refuses_each_development_value_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    in_production(monkeypatch, **{name: value})
    message = refusal()
    assert message.startswith(f"{name} ")
    assert ": expected " in message
    assert "also" not in message


def test_unknown_variables_are_warned_about_with_the_nearest_name() -> None:
    environment = dict.fromkeys(("PORTAL_PROT", "PORTAL_DATABASE", "PORTAL_PORT", "PORT", "PORTAL_TEST_PG"), "1")
    assert unknown_variables(environment) == [
        "PORTAL_DATABASE is no setting of the portal; the nearest is PORTAL_DATABASE_URL",
        "PORTAL_PROT is no setting of the portal; the nearest is PORTAL_PORT",
    ]


def test_the_table_in_the_docs_lists_exactly_the_settings() -> None:
    text = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(PORTAL_[A-Z_]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(variable(field) for field in Settings.model_fields)


def test_every_setting_says_what_is_right() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
