"""The direct path of mutations: graphql-core's answers, errors among them, from a resolver that is called once."""

from typing import Any

import pytest
import strawberry
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graphql_schema import server
from graphql_schema.direct_mutations import ASKS_FOR_CONTEXT_ONLY
from graphql_schema.documents import Documents
from graphql_schema.executor import LeafExecutor
from graphql_schema.inputs import direct
from tests.edge.probe import executor_of


class Context:
    """Counts what was written."""

    def __init__(self) -> None:
        self.written: list[str] = []

    async def refresh(self) -> None:
        pass


Info = strawberry.Info[Context, Any]


@direct
@strawberry.input
class Line:
    text: str
    count: int = 1


@strawberry.type
class Written:
    text: str
    count: int


@strawberry.type
class Receipt:
    lines: list[Written]
    note: str | None = None

    @strawberry.field
    def computed(self) -> int:
        return len(self.lines)


class Odd:
    """Has no text and no count."""


def outcome(lines: list[Line]) -> Any:
    """What a resolver gives; the first line says what kind of thing."""
    match lines[0].text:
        case "fails":
            raise ValueError("failed")
        case "returns an error":
            return ValueError("returned")
        case "nothing":
            return None
        case "odd":
            return Receipt(lines=[Odd()])  # type: ignore[list-item]
        case "no number":
            return Receipt(lines=[Written(text="a", count="many")])  # type: ignore[arg-type]
        case "another type":
            return Odd()
    return Receipt(lines=[Written(text=one.text, count=one.count) for one in lines])


@strawberry.type
class Query:
    nothing: int | None = None


@strawberry.type
class Mutation:
    @strawberry.mutation(metadata=ASKS_FOR_CONTEXT_ONLY)
    async def write(self, info: Info, lines: list[Line]) -> Receipt:
        info.context.written += [one.text for one in lines]
        return outcome(lines)  # type: ignore[no-any-return]

    @strawberry.mutation(metadata=ASKS_FOR_CONTEXT_ONLY)
    async def write_maybe(self, info: Info, lines: list[Line]) -> Receipt | None:
        info.context.written += [one.text for one in lines]
        return outcome(lines)  # type: ignore[no-any-return]

    @strawberry.mutation
    async def by_core(self, info: Info, lines: list[Line]) -> Receipt:
        info.context.written += [info.field_name, *(one.text for one in lines)]
        return outcome(lines)  # type: ignore[no-any-return]


SCHEMA = strawberry.Schema(query=Query, mutation=Mutation, execution_context_class=LeafExecutor)._schema
DOCUMENTS = Documents(SCHEMA, introspection=True)
WRITE = "mutation($lines: [Line!]!) { write(lines: $lines) { lines { text count } note } }"
MAYBE = "mutation M($lines: [Line!]!) { a: writeMaybe(lines: $lines) { __typename lines { n: count text } } }"
LITERAL = (
    'mutation($lines: [Line!]) { write(lines: [{text: "literal"}, {text: "b", count: 3}]) { lines { text count } } }'
)
LINES = ["a", "fails", "returns an error", "nothing", "odd", "no number", "another type"]


def made(executor_class: Any, source: str, variables: dict[str, Any], context: Context, *, shared: bool) -> Any:
    prepared = DOCUMENTS.prepare(source, variables)
    assert prepared.document
    return executor_of(SCHEMA, prepared, executor_class, variables, context, shared=shared)


async def twice(source: str, text: str) -> tuple[Any, Any, list[str], bool]:
    """graphql-core's answer, the direct path's, what the latter wrote, and whether there was one."""
    variables = {"lines": [{"text": text}, {"text": "b", "count": 2}]}
    expected = await made(
        StrawberryGraphQLCoreExecutionContext, source, variables, Context(), shared=False
    ).execute_operation()
    await server._executed(made(LeafExecutor, source, variables, Context(), shared=True))
    context = Context()
    executor = made(LeafExecutor, source, variables, context, shared=True)
    found = executor.course() is not None
    answer = await server._executed(executor)
    return _shown(expected), _shown(answer), context.written, found


def _shown(result: Any) -> Any:
    return result.data, [(one.formatted, type(one.original_error)) for one in result.errors or ()]


@pytest.mark.parametrize("source", [WRITE, MAYBE])
@pytest.mark.parametrize("text", LINES)
async def test_the_answer_is_graphql_cores_and_the_resolver_is_called_once(source: str, text: str) -> None:
    expected, answer, written, direct_ = await twice(source, text)
    assert direct_
    assert answer == expected
    assert written == [text, "b"]


@pytest.mark.parametrize(
    "source",
    [
        "mutation($lines: [Line!]!) { byCore(lines: $lines) { lines { text } } }",  # does not say that it may be called
        "mutation($lines: [Line!]!) { write(lines: $lines) { computed } }",  # its payload has a resolver
        "mutation($lines: [Line!]!) { write(lines: $lines) { note } again: write(lines: $lines) { note } }",
        "mutation($lines: [Line!]!) { __typename write(lines: $lines) { note } }",
    ],
)
async def test_what_only_graphql_core_executes(source: str) -> None:
    expected, answer, written, direct_ = await twice(source, "a")
    assert not direct_
    assert answer == expected
    assert "a" in written


async def test_literals_are_converted_as_strawberry_does() -> None:
    expected, answer, written, direct_ = await twice(LITERAL, "a")
    assert direct_
    assert answer == expected
    assert written == ["literal", "b"]
