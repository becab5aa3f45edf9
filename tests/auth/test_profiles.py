"""The profile of the person signed in, from the database, under row level security."""

from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from app.auth.actor import Unauthenticated
from app.auth.profiles import profiles_in
from app.tenancy import Database
from tests.factories import make_household


async def test_a_person_is_found_in_their_own_tenant_only(database: Database) -> None:
    ours, others = await make_household(database), await make_household(database)
    find = profiles_in(database)
    principal = ours.principal("rosa")
    profile = await find(principal)
    assert profile.email == ours.people["rosa"].email
    assert profile.display_name
    for stranger in (
        replace(principal, tenant_id=others.tenant_id),
        replace(principal, tenant_id=uuid4()),
        replace(principal, subject="nobody"),
    ):
        with pytest.raises(Unauthenticated):
            await find(stranger)


async def test_a_disabled_person_is_signed_out_at_once(
    database: Database, inspector: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ours = await make_household(database)
    find = profiles_in(database)
    await find(ours.principal("mia"))
    user_id = ours.people["mia"].user_id
    await inspector.execute("UPDATE users SET disabled_at = now() WHERE id = $1", user_id)
    with pytest.raises(Unauthenticated):
        await find(ours.principal("mia"))
