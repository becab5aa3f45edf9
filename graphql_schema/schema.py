"""The schema of the API."""

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from graphql_schema.executor import LeafExecutor
from graphql_schema.mutations import Mutation
from graphql_schema.payment_method_mutations import PaymentMethodMutations
from graphql_schema.queries import Query
from graphql_schema.refund_mutations import RefundMutations
from graphql_schema.spending_mutations import SpendingMutations
from graphql_schema.tiers import AddOn, Tier
from graphql_schema.users import Tenant

schema = strawberry.Schema(
    query=Query,
    mutation=merge_types("Mutation", (Mutation, PaymentMethodMutations, RefundMutations, SpendingMutations)),
    types=[Tier, AddOn, Tenant],
    execution_context_class=LeafExecutor,
    config=StrawberryConfig(auto_camel_case=True),
)
