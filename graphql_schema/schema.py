"""The schema of the API."""

from typing import Any

import strawberry
from graphql import GraphQLObjectType
from graphql.pyutils import Path
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from graphql_schema.executor import GroupedFieldSet, LeafExecutor
from graphql_schema.mutations import Mutation
from graphql_schema.payment_method_mutations import PaymentMethodMutations
from graphql_schema.queries import Query
from graphql_schema.refund_mutations import RefundMutations
from graphql_schema.spending_mutations import SpendingMutations
from graphql_schema.tiers import AddOn, Tier
from graphql_schema.users import Tenant


class MutationsApart(LeafExecutor):
    """Each mutation of a document begins without the session in which the one before it read its payload.

    It opens transactions of its own and asks Stripe: with that session still open it would hold one connection and wait for another.
    """

    async def execute_fields_serially(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> dict[str, Any]:
        """Execute a mutation's root fields, one after the other."""
        results: dict[str, Any] = {}
        for name, details in grouped_field_set.items():
            await self.context_value.refresh()
            one: Any = super().execute_fields_serially(
                parent_type, source_value, path, {name: details}, position_context
            )
            results |= await one if self.is_awaitable(one) else one
        return results


schema = strawberry.Schema(
    query=Query,
    mutation=merge_types("Mutation", (Mutation, PaymentMethodMutations, RefundMutations, SpendingMutations)),
    types=[Tier, AddOn, Tenant],
    execution_context_class=MutationsApart,
    config=StrawberryConfig(auto_camel_case=True),
)
