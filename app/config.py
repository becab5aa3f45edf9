"""Settings: environment variables `PORTAL_*` -> one frozen object. docs/settings.md has the table of them."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Everything that a deployment can set. Read once at the start and handed down; nothing else reads the environment."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_", frozen=True, extra="ignore")

    env: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = PROJECT / ".portal"
    public_url: str = ""  # where people's browsers reach the portal; empty: http://host:port
    secret_key: str = ""  # signs quotes; at least 32 characters

    database_url: str = ""  # migrates, owns the tables
    database_app_url: str = ""  # serves, as portal_app
    database_worker_url: str = ""  # inbox and queue, as portal_worker
    database_pool_size: int = Field(default=16, ge=1, le=500)

    stripe_api_key: str = ""
    stripe_api_base: str = ""  # empty: Stripe itself
    stripe_publishable_key: str = ""
    stripe_webhook_secret: str = ""

    oidc_issuer: str = ""
    oidc_audience: str = "billing-portal"
    oidc_client_id: str = "billing-portal"
    oidc_client_secret: str = ""
    oidc_tenant_claim: str = "tenant_id"

    smtp_url: str = ""
    mail_from: str = "Billing <billing@portal.example>"
