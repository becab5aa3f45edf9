"""The person behind a principal, for the page's header."""

from sqlalchemy import select

from app.auth.actor import UserPrincipal, acting
from app.auth.sessions import FindProfile, Profile
from app.tenancy import Database
from models.tenants import User


def profiles_in(database: Database) -> FindProfile:
    """Look people up in their tenant. Raises Unauthenticated for an unknown or disabled user, as every request does."""

    async def find(principal: UserPrincipal) -> Profile:
        async with acting(database, principal, read_only=True) as session:
            row = await session.tx.row(
                select(User.email, User.display_name).where(
                    User.tenant_id == session.actor.tenant_id, User.id == session.actor.user_id
                )
            )
        assert row is not None  # noqa: S101  acting() has just read this very row
        return Profile(email=row.email, display_name=row.display_name)

    return find
