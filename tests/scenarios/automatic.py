"""A household whose pool buys by itself: the plan is set as a person sets it, credits are spent as the AI gateway spends them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import asyncpg

from app.auth.actor import acting
from app.rules.consumption import RequestType
from app.rules.pool_settings import SettingsChange
from app.services.auto_purchase.purchasing import AutoPurchasing
from app.services.auto_purchase.settings import check_card
from app.services.catalogue import CatalogueCache
from app.services.pool_settings import change_settings
from app.services.spending.commands import DEFAULT_HOLD, Reservation, Reserve, Settle
from app.services.spending.service import Spending
from tests.scenarios.portal import INTENTS, Buying
from tests.spending.till import worth

EVERYBODY = ["adam@example.com", "olivia@example.com"]
TRIES = 3  # the library's own, of one call
PLAN: dict[str, Any] = {"enabled": True, "threshold": Decimal(5), "quantity": Decimal(10), "cap_credits": Decimal(100)}


@dataclass
class Automatic:
    """6 included credits, a card of the pool's own customer, and a plan: 10 credits whenever less than 5 are available."""

    buying: Buying
    spending: Spending
    mailed_before: frozenset[str]
    card: str = ""

    @classmethod
    async def of(cls, buying: Buying, card: str = "pm_card_visa", **plan: Any) -> "Automatic":
        """Switched on by Olivia, unless `plan` says otherwise."""
        database = buying.portal.database
        catalogue = CatalogueCache(database)
        await catalogue.current()
        one = cls(buying, Spending(database, catalogue), frozenset(buying.portal.mailbox.names()))
        await one._customer()
        one.card = await one.attached(card)
        await one.plan(**{**PLAN, "payment_method_id": one.card, **plan})
        return one

    @property
    def purchasing(self) -> AutoPurchasing:
        """What the worker runs, to be run here at the same time."""
        return AutoPurchasing(self.buying.purchasing)

    async def _customer(self) -> None:
        household = self.buying.household
        made = await self.buying.gateway.ensure_customer(
            tenant_id=household.tenant_id, pool_id=household.pool_id, email="olivia@example.com", name="Household"
        )
        await self.set_row("credit_pools", stripe_customer_id=made)

    async def attached(self, name: str) -> str:
        """A card by Stripe's test name, attached to the pool's customer."""
        customer = (await self.buying.pool())["stripe_customer_id"]
        answer = await self.buying.sandbox.raw.post(f"/v1/payment_methods/{name}/attach", data={"customer": customer})
        return str(answer.raise_for_status().json()["id"])

    async def plan(self, who: str = "olivia", **values: Any) -> None:
        """Change the plan by the names of Plan's fields. A refusal is raised."""
        buying, principal = self.buying, self.buying.household.principal(who)
        pool_id, version = buying.household.pool_id, (await buying.pool())["version"]
        await check_card(buying.purchasing, principal, pool_id, version, values)
        async with acting(buying.portal.database, principal) as session:
            await change_settings(session, pool_id, version, SettingsChange({}, {}, {}, values))

    async def spend(self, credits: str = "2") -> None:
        """One request that costs so much: held, then settled."""
        hold = await self.hold(credits)
        assert isinstance(hold, Reservation), hold
        (settled,) = await self.submit(Settle(hold.id, worth(credits)))
        assert isinstance(settled, Reservation), settled

    async def hold(self, credits: str) -> Any:
        return (await self.submit(self.reserving(credits)))[0]

    async def settle(self, hold: Reservation, credits: str) -> None:
        (settled,) = await self.submit(Settle(hold.id, worth(credits)))
        assert isinstance(settled, Reservation), settled

    async def empty(self) -> None:
        """Spend all that is available; nothing at all where there is nothing."""
        available = (await self.buying.pool())["balance_available"]
        if available:
            await self.spend(f"{available}")

    async def detach(self) -> None:
        """Somebody takes the card away at Stripe."""
        answer = await self.buying.sandbox.raw.post(f"/v1/payment_methods/{self.card}/detach")
        answer.raise_for_status()

    @asynccontextmanager
    async def worker_waits(self) -> AsyncIterator[None]:
        """Decisions are due later, for as long as the block lasts."""
        await self.buying.portal.inspector.execute(
            """CREATE OR REPLACE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN NEW.execute_after := now() + interval '1 hour'; RETURN NEW; END $$;
               CREATE TRIGGER later BEFORE INSERT ON pgqueuer FOR EACH ROW WHEN (NEW.entrypoint = 'auto_purchase.decide')
               EXECUTE FUNCTION later()"""
        )
        try:
            yield
        finally:
            await self.buying.portal.inspector.execute("DROP TRIGGER later ON pgqueuer; DROP FUNCTION later()")
            await self.buying.hurry()

    async def lose_jobs(self) -> None:
        await self.buying.portal.inspector.execute("DELETE FROM pgqueuer WHERE entrypoint = 'auto_purchase.decide'")

    def reserving(self, credits: str) -> Reserve:
        return Reserve(
            user_id=self.buying.household.people["olivia"].user_id,
            request_id=uuid4(),
            request_type=RequestType.TRANSCRIPTION,
            model_id="gpt-x",
            figures=worth(credits),
            hold_for=DEFAULT_HOLD,
        )

    async def submit(self, *commands: Any) -> list[Any]:
        household = self.buying.household
        return await self.spending.submit(
            household.principal("olivia"), [(household.pool_id, command) for command in commands]
        )

    async def settings(self) -> asyncpg.Record:
        return (await self.buying.rows("SELECT * FROM auto_purchase_settings WHERE tenant_id = $1"))[0]

    async def set_row(self, table: str, **values: Any) -> None:
        """What time or Stripe would have changed."""
        key = "id" if table == "credit_pools" else "pool_id"
        columns = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
        done = await self.buying.portal.inspector.execute(
            f"UPDATE {table} SET {columns} WHERE {key} = $1", self.buying.household.pool_id, *values.values()
        )
        assert done == "UPDATE 1"

    async def purchases(self) -> list[asyncpg.Record]:
        return await self.buying.rows(
            "SELECT * FROM credit_purchases WHERE tenant_id = $1 AND is_auto_purchase ORDER BY created_at"
        )

    async def statuses(self) -> list[str]:
        return [purchase["status"] for purchase in await self.purchases()]

    async def asked(self) -> int:
        """How often Stripe was asked for money."""
        sent = await self.buying.sandbox.requests()
        return sum((one["method"], one["path"]) == ("POST", INTENTS) for one in sent)

    async def told(self) -> list[str]:
        """Billing events of automatic purchases in their order."""
        rows = await self.buying.rows(
            "SELECT event_type FROM billing_events WHERE tenant_id = $1 AND event_type LIKE 'auto\\_purchase.%'"
            " ORDER BY created_at"
        )
        return [row["event_type"].removeprefix("auto_purchase.") for row in rows]

    async def notified(self) -> dict[str, list[str]]:
        """Who was notified of automatic purchases, by kind."""
        rows = await self.buying.rows(
            "SELECT n.kind, u.email FROM notifications n JOIN users u ON u.tenant_id = n.tenant_id AND u.id = n.user_id"
            " WHERE n.tenant_id = $1 AND n.kind LIKE 'auto\\_purchase.%' ORDER BY n.created_at, u.email"
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["kind"].removeprefix("auto_purchase."), []).append(row["email"])
        return found

    def mails(self) -> list[EmailMessage]:
        """Those of this household: its owner is Olivia like everywhere, but nobody else runs at the same time."""
        names = sorted(set(self.buying.portal.mailbox.names()) - self.mailed_before)
        return [mail for name in names if (mail := self.buying.portal.mailbox.read(name)) is not None]

    async def audited(self) -> list[dict[str, Any]]:
        rows = await self.buying.rows(
            "SELECT after FROM audit_events WHERE tenant_id = $1 AND action = 'auto_purchase.updated' ORDER BY created_at"
        )
        return [json.loads(row["after"]) for row in rows]

    async def armed(self) -> Decimal | None:
        below: Decimal | None = (await self.buying.pool())["auto_purchase_below"]
        return below

    async def jobs(self) -> list[datetime]:
        """When decisions are due for this pool."""
        rows = await self.buying.portal.inspector.fetch(
            "SELECT execute_after FROM pgqueuer WHERE entrypoint = 'auto_purchase.decide' AND status IN ('queued', 'picked')"
            " AND convert_from(payload, 'utf8')::jsonb ->> 'pool_id' = $1 ORDER BY execute_after",
            str(self.buying.household.pool_id),
        )
        return [row["execute_after"] for row in rows]
