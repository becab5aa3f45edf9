"""Subscriptions as Stripe has them."""

from app.payments.connection import StripeConnection


class SubscriptionCalls(StripeConnection):
    """Raises GatewayUnavailable when Stripe does not answer, and GatewayError when it refuses the request."""

    async def subscription_statuses(self) -> dict[str, str]:
        """Every subscription of the account, ended ones too: its id and Stripe's word for how it stands."""
        found = await self._all(lambda page: lambda v1: v1.subscriptions.list_async({"status": "all"} | page))
        return {one["id"]: one["status"] for one in found}
