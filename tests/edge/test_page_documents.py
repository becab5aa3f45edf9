"""The page's own documents: within the limits, valid, and answered alike with and without the executor's fast path."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from graphql import FragmentDefinitionNode, FragmentSpreadNode, OperationDefinitionNode, parse, print_ast, visit
from graphql.language import Visitor
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.config import PROJECT
from app.payments.gateway import Gateway
from app.services.card_lists import CardLists
from app.services.catalogue import CatalogueCache
from app.services.payment_methods import PaymentMethods
from app.services.purchases import Purchasing
from app.services.quotes import QuoteSigner
from app.services.spending.service import Spending
from app.tenancy import Database
from graphql_schema.context import Context, Services
from graphql_schema.direct import execute
from graphql_schema.documents import Documents
from graphql_schema.executor import LeafExecutor
from graphql_schema.node import to_id
from graphql_schema.schema import schema
from tests.factories import Household, make_household

CORE = schema._schema
DOCUMENTS = Documents(CORE, introspection=False)


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.names.add(node.name.value)


def _spreads(node: Any) -> set[str]:
    spreads = _Spreads()
    visit(node, spreads)
    return spreads.names


def page_documents(directory: Path = PROJECT / "frontend" / "src") -> dict[str, str]:
    """Every operation of the page with its fragments, by name, as the browser sends it."""
    definitions: list[Any] = []
    for file in sorted(directory.rglob("*.ts*")):
        if "gql" not in file.parent.name:
            for text in re.findall(r"graphql\(`(.*?)`\)", file.read_text(), re.DOTALL):
                definitions.extend(parse(text).definitions)
    fragments = {one.name.value: one for one in definitions if isinstance(one, FragmentDefinitionNode)}
    documents = {}
    for operation in definitions:
        if isinstance(operation, OperationDefinitionNode):
            used, waiting = set[str](), _spreads(operation)
            while waiting:
                used |= waiting
                waiting = set().union(*(_spreads(fragments[name]) for name in waiting)) - used
            assert operation.name
            parts = [operation, *(fragments[name] for name in sorted(used))]
            documents[operation.name.value] = "\n".join(map(print_ast, parts))
    return documents


PAGE_DOCUMENTS = page_documents()
BEYOND = {"Everything": """query Everything($poolId: ID!, $first: Int = 3) {
  __typename viewer { user { __typename id email } tenant { id name } locale timeZone memberships { id role pool { id name } } }
  node(id: $poolId) { __typename id ... on CreditPool { name kind } }
  tiers { id code displayName pricing { monthly { amount currency } annual { amount } annualSavings { amount } perUser }
    features { modelAccess exportFormats maxTokensPerRequest } rateLimits { concurrentRequests } addOns { included addOn { code } } }
  addOns { id code monthly { amount } } creditBands { minCredits unitPrice { amount } }
  pool(id: $poolId) { id version viewerCan(permission: MODIFY_SETTINGS) owner { email }
    settings { notifications { recipients summary } accessControl { blockedModels } family { underageMembers { id } } }
    members(first: $first) {
      totalCount pageInfo { hasNextPage endCursor }
      edges { cursor node { id viewerCanUpdate permissions usage { today } } }
    }
    transactions { nodes { id sequence amount bucket createdAt user { email } } } purchases { nodes { id } pageInfo { startCursor } } }
}"""}  # fmt: skip


def test_the_page_has_documents() -> None:
    assert {"Overview", "Buy", "Quote"} <= PAGE_DOCUMENTS.keys()


@pytest.mark.parametrize("name", PAGE_DOCUMENTS)
def test_they_are_served_in_production(name: str) -> None:
    variables = {"members": 100, "entries": 100, "first": 100}
    assert DOCUMENTS.prepare(PAGE_DOCUMENTS[name], variables).errors == ()


@pytest.fixture(scope="module")
def services(database: Database) -> Services:
    gateway = Gateway(api_key="sk_test_x", webhook_secret="whsec_x", api_base="http://127.0.0.1:9")
    signer = QuoteSigner("a key for tests that is long enough")
    catalogue = CatalogueCache(database)
    purchasing = Purchasing(database, gateway, signer, "")
    cards = PaymentMethods(database, gateway, CardLists(gateway, connections=16))
    return Services(database, purchasing, signer, catalogue, Spending(database, catalogue), cards)


@pytest.fixture(scope="module")
async def household(database: Database) -> Household:
    return await make_household(database)


def asked(household: Household) -> Iterator[tuple[str, dict[str, Any]]]:
    pool = to_id("CreditPool", household.pool_id)
    for pool_id in (pool, to_id("CreditPool", uuid4()), "nonsense"):
        variables = {
            "poolId": pool_id,
            "members": 2,
            "entries": 2,
            "first": 1,
            "after": "bad",
            "credits": "10",
            "id": pool,
        }
        for name, source in (PAGE_DOCUMENTS | BEYOND).items():
            if "mutation " not in source:
                wanted = set(re.findall(r"\$(\w+)", source))
                yield name, {key: variables.get(key, pool) for key in wanted}


@pytest.mark.parametrize("person", ["olivia", "mia", "rosa"])
async def test_every_document_is_answered_alike(services: Services, household: Household, person: str) -> None:
    with_data, on_the_direct_path = set(), set()
    for name, variables in asked(household):
        source = (PAGE_DOCUMENTS | BEYOND)[name]
        prepared = DOCUMENTS.prepare(source, variables)
        assert prepared.errors == ()
        answers = []
        for executor_class, more in (
            (StrawberryGraphQLCoreExecutionContext, {}),
            (LeafExecutor, {}),
            (LeafExecutor, {"shared": prepared.shared}),
        ):
            async with Context(services, household.principal(person)) as context:
                made: Any = executor_class.build(
                    CORE,
                    prepared.document,
                    context_value=context,
                    raw_variable_values=variables,
                    is_awaitable=optimized_is_awaitable,
                    operation_extensions=None,
                    **more,
                )
                assert not isinstance(made, list), made
                result = await made.execute_operation()
                answers.append(_answer(result.data, result.errors))
                if more and not result.errors and (course := made.course()) is not None:
                    await context.refresh()  # nothing is loaded yet
                    answers.append(_answer(await execute(made, course), None))
                    on_the_direct_path.add(name)
            if result.data and all(result.data.values()):
                with_data.add(name)
        assert set(answers) == {answers[0]}, name
    assert "Everything" in with_data
    assert {"Overview", "Buy"} <= with_data
    assert "Overview" in on_the_direct_path


def _answer(data: Any, errors: Any) -> str:
    worded = [error.formatted for error in errors or ()]
    return _without_what_is_new_each_time(orjson.dumps({"data": data, "errors": worded}).decode())


def _without_what_is_new_each_time(answer: str) -> str:
    """Quotes get a new id each time they are asked for, and balances say when they were read."""
    return re.sub(r'"(id":"eyJ[^"]*|(expiresAt|asOf|resetsAt)":"[^"]*)"', '""', answer)
