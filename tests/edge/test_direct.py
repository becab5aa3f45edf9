"""The direct path of queries: the same answers as graphql-core's, begun anew by it at any surprise, and no loader split up."""

import asyncio
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult
from strawberry.dataloader import DataLoader
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graphql_schema import server
from graphql_schema.direct import execute
from graphql_schema.documents import Documents
from graphql_schema.executor import LeafExecutor
from tests.edge.probe import executor_of


class Context:
    """Counts loads and new beginnings."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.refreshed = 0
        self.broken: set[str] = set()
        self.loader: DataLoader[int, int] = DataLoader(self._load)

    async def _load(self, keys: list[int]) -> list[int]:
        self.batches.append(keys)
        await asyncio.sleep(0)
        return [key * 10 for key in keys]

    async def refresh(self) -> None:
        self.refreshed += 1
        self.broken.clear()


Info = strawberry.Info[Context, Any]


@strawberry.type
class Leaf:
    number: int

    @strawberry.field
    def doubled(self, by: int = 2) -> int:
        return self.number * by

    @strawberry.field
    async def loaded(self, info: Info) -> int:
        return await info.context.loader.load(self.number)

    @strawberry.field
    async def loaded_too(self, info: Info) -> int:
        return await info.context.loader.load(self.number + 100)


@strawberry.type
class Query:
    @strawberry.field
    async def leaf(self, number: int = 1) -> Leaf | None:
        return Leaf(number=number) if number else None

    @strawberry.field
    def leaves(self, count: int = 3) -> list[Leaf | None]:
        return [None if one == 1 else Leaf(number=one) for one in range(count)]

    @strawberry.field
    def fragile(self, info: Info) -> int:
        if "fragile" in info.context.broken:
            raise RuntimeError("once")
        return 7

    @strawberry.field
    def failing(self) -> int | None:
        raise ValueError("always")

    @strawberry.field
    def path(self, info: Info) -> str:
        return info.field_name


SCHEMA = strawberry.Schema(query=Query, execution_context_class=LeafExecutor)._schema
DOCUMENTS = Documents(SCHEMA, introspection=True)


def made(executor_class: Any, source: str, variables: dict[str, Any], context: Context, *, shared: bool) -> Any:
    prepared = DOCUMENTS.prepare(source, variables)
    assert prepared.errors == ()
    return executor_of(SCHEMA, prepared, executor_class, variables, context, shared=shared)


async def by_core(
    source: str, variables: dict[str, Any] | None = None, context: Context | None = None
) -> ExecutionResult:
    executor = made(StrawberryGraphQLCoreExecutionContext, source, variables or {}, context or Context(), shared=False)
    result = executor.execute_operation()
    return await result if asyncio.iscoroutine(result) else result  # type: ignore[no-any-return]


async def warm(source: str, variables: dict[str, Any] | None = None, context: Context | None = None) -> Any:
    """An executor whose document has been executed before."""
    await server._executed(made(LeafExecutor, source, variables or {}, Context(), shared=True))
    return made(LeafExecutor, source, variables or {}, context or Context(), shared=True)


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("{ leaf { number doubled } }", {}),
        ("query($n: Int!) { __typename leaf(number: $n) { doubled(by: $n) number __typename } }", {"n": 4}),
        ("query($n: Int = 5) { a: leaf(number: $n) { d: doubled } leaves { n: number doubled(by: 3) } }", {}),
        ("query($n: Int) { leaf(number: $n) { number } }", {}),
        ("{ leaf(number: 0) { number doubled } fragile }", {}),
        ("{ leaves(count: 0) { number doubled } }", {}),
        ("{ leaves { loaded doubled } leaf { loaded loadedToo } }", {}),
        (
            "query A { leaf { ...F } } fragment F on Leaf { number doubled ...G } fragment G on Leaf { number loaded }",
            {},
        ),
    ],
)
async def test_the_answer_is_graphql_cores(source: str, variables: dict[str, Any]) -> None:
    executor = await warm(source, variables)
    course = executor.course()
    assert course is not None
    data = await execute(executor, course)
    expected = await by_core(source, variables)
    assert expected.errors is None
    assert data == expected.data
    assert list(data) == list(expected.data or {})


async def test_what_a_list_loads_is_loaded_together() -> None:
    context = Context()
    executor = await warm("{ leaves(count: 5) { loaded doubled } }", context=context)
    data = await execute(executor, executor.course())
    assert [one and one["loaded"] for one in data["leaves"]] == [0, None, 20, 30, 40]
    assert context.batches == [[0, 2, 3, 4]]


@pytest.mark.parametrize(
    "source",
    [
        "{ leaves { loaded loadedToo } }",  # one object might be a step ahead of another
        "{ a: leaf { number loaded } b: leaf(number: 2) { number loaded } }",  # they load together
        "{ __schema { queryType { name } } }",
        "query($yes: Boolean!) { leaf @include(if: $yes) { number doubled } }",
    ],
)
async def test_graphql_core_keeps(source: str) -> None:
    executor = await warm(source, {"yes": True} if "$yes" in source else {})
    assert executor.course() is None


async def test_the_first_execution_of_a_document_is_graphql_cores() -> None:
    executor = made(LeafExecutor, "{ leaf { doubled loaded number } }", {}, Context(), shared=True)
    assert executor.course() is None


async def test_graphql_cores_fields_are_made_when_it_executes() -> None:
    (await warm("{ leaf { doubled } }")).course()  # the first one is found by graphql-core's help
    executor = await warm("{ leaf { doubled } }")
    await server._executed(executor)
    assert "fragments" not in vars(executor)
    result = await executor.executed()
    assert "fragments" in vars(executor)
    assert result.data == {"leaf": {"doubled": 2}}


async def test_a_surprise_begins_anew() -> None:
    context = Context()
    context.broken.add("fragile")
    result = await server._executed(await warm("{ fragile leaf { doubled } }", context=context))
    assert (result.data, result.errors) == ({"fragile": 7, "leaf": {"doubled": 2}}, None)
    assert context.refreshed == 1


@pytest.mark.parametrize(
    "source",
    ["{ failing leaf { doubled } }", "{ leaf { doubled } failing }", "{ leaf(number: 0) { doubled } failing }"],
)
async def test_errors_are_worded_by_graphql_core(source: str) -> None:
    result = await server._executed(await warm(source))
    expected = await by_core(source)
    assert result.data == expected.data
    assert [one.formatted for one in result.errors or ()] == [one.formatted for one in expected.errors or ()]
    assert expected.errors


async def test_a_resolver_that_asks_more_of_its_info_is_graphql_cores() -> None:
    context = Context()
    result = await server._executed(await warm("{ path leaf { doubled } }", context=context))
    assert (result.data or {})["path"] == "path"
    assert context.refreshed == 1
