"""How a command ends when something goes wrong that an operator can set right."""

import sys

from app.config import SettingsError, unknown_variables
from app.embedded.postgres import PostgresError
from app.embedded.supervisor import SupervisorError


class CommandError(Exception):
    """A command can't do what it was asked to; the message is for people."""


EXPECTED = (
    SettingsError,
    PostgresError,
    SupervisorError,
    CommandError,
    ConnectionError,
    FileNotFoundError,
    PermissionError,
)


def one_line(error: BaseException) -> str:
    """The error in words."""
    return str(error) or type(error).__name__


def warn_of_unknown_variables() -> None:
    """One line on standard error for each PORTAL_ variable that nothing reads."""
    for warning in unknown_variables():
        sys.stderr.write(f"portal: warning: {warning}\n")
