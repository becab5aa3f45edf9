"""The direct path of mutations: one root field, resolved as the direct path of queries does it (direct.py), its payload read in one loop.

A mutation must not be begun anew. So the resolver is called once, here; should what came of it surprise (an error among them), graphql-core
completes or reports just that, as if it had called the resolver itself. Only fields that say so are called here: their resolvers ask their
`info` for nothing but the context.
"""

from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, GraphQLFieldResolver, MiddlewareManager

from graphql_schema.direct import Course, Run, Step, course_of
from graphql_schema.selections import SurprisingValueError, settle

if TYPE_CHECKING:
    from graphql_schema.executor import LeafExecutor

ASKS_FOR_CONTEXT_ONLY = {"asks_for_context_only": True}  # metadata of mutations


def mutation_course(executor: "LeafExecutor", type_: Any, fields: dict[str, Any]) -> Course | None:
    """How the mutation's only field is executed; None where only graphql-core can."""
    if len(fields) != 1:
        return None
    ((details, *_),) = fields.values()
    definition = executor.schema.get_field(type_, details.node.name.value)
    field = definition.extensions.get("strawberry-definition") if definition else None
    if field is None or not field.is_async or not field.metadata.get("asks_for_context_only"):
        return None
    course = course_of(executor, type_, fields)
    return course if course is not None and course.steps and course.steps[0].complete is not None else None


async def perform(executor: "LeafExecutor", course: Course) -> ExecutionResult:
    """The operation's result. The resolver is called once, whatever becomes of it."""
    (step,) = course.steps
    try:
        resolving = step.resolve(None, Run(executor))  # a coroutine that has not begun
    except Exception:  # noqa: BLE001  (an argument surprises: graphql-core comes upon it again and reports it)
        return await executor.executed()
    try:
        outcome = await resolving
    except Exception as error:  # noqa: BLE001  (graphql-core says which field it befell)
        return await _concluded(executor, error)
    try:
        return ExecutionResult({step.response_name: _completed(step, outcome)}, None)
    except Exception:  # noqa: BLE001  (as above)
        return await _concluded(executor, outcome)


def _completed(step: Step, outcome: Any) -> Any:
    if outcome is None:
        if step.nullable:
            return None
        raise SurprisingValueError
    settle(type(outcome))
    assert step.complete is not None  # noqa: S101  (mutation_course has looked)
    return step.complete(outcome)


async def _concluded(executor: "LeafExecutor", outcome: Any) -> ExecutionResult:
    """What graphql-core makes of the outcome; the resolver is not called again."""
    executor.make_whole()
    executor.middleware_manager = _Resolved(outcome)
    return await executor.executed()


class _Resolved(MiddlewareManager):
    """Stands before the resolvers: the first one, the root field's, has been called already, with this outcome."""

    def __init__(self, outcome: Any) -> None:
        super().__init__()
        self._outcomes = [outcome]

    def get_field_resolver(self, field_resolver: GraphQLFieldResolver) -> GraphQLFieldResolver:
        if not self._outcomes:
            return field_resolver
        outcome = self._outcomes.pop()

        def resolved(*_: Any, **_arguments: Any) -> Any:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return resolved
