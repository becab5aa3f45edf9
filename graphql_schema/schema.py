"""The schema of the API."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from graphql_schema.executor import LeafExecutor
from graphql_schema.mutations import Mutation
from graphql_schema.queries import Query
from graphql_schema.tiers import AddOn, Tier
from graphql_schema.users import Tenant

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    types=[Tier, AddOn, Tenant],
    execution_context_class=LeafExecutor,
    config=StrawberryConfig(auto_camel_case=True),
)
