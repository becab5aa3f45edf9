"""The complete settings of this process, as its environment asks for them."""

from app.config import Settings, read_settings
from app.embedded.settings import with_development_values
from app.production import refuse_development_values


def load_settings() -> Settings:
    """Read the environment; fill in development's own values, or refuse production's gaps. SettingsError in one line."""
    settings = read_settings()
    if settings.env == "production":
        refuse_development_values(settings)
        return settings
    return with_development_values(settings)
