"""The mutations of spending."""

from collections.abc import Callable, Sequence
from uuid import UUID

import strawberry

from app.auth.actor import Session
from app.rules.errors import Forbidden, Refusal
from app.services.spending.commands import Reserve
from app.services.spending.lanes import Answer
from graphql_schema.context import Context, Info
from graphql_schema.direct_mutations import ASKS_FOR_CONTEXT_ONLY
from graphql_schema.errors import as_user_error
from graphql_schema.spending import (
    Item,
    ReservationsPayload,
    ReserveInput,
    SettleInput,
    SpendCheck,
    SpendCheckPayload,
    as_answer,
    as_limit,
    as_release,
    as_reserve,
    as_settle,
    too_many,
)


@strawberry.type
class SpendingMutations:
    @strawberry.mutation(
        description="Hold credits for up to 500 requests before they are made.", metadata=ASKS_FOR_CONTEXT_ONLY
    )
    async def credits_reserve(self, info: Info, reservations: list[ReserveInput]) -> ReservationsPayload:
        viewer = await _viewer(info.context) if any(item.user_id is None for item in reservations) else None
        return await _submit(
            info.context,
            [item.request_id for item in reservations],
            [lambda item=item: as_reserve(item, viewer) for item in reservations],  # type: ignore[misc]
        )

    @strawberry.mutation(description="Report what up to 500 requests have really used.", metadata=ASKS_FOR_CONTEXT_ONLY)
    async def credits_settle(self, info: Info, settlements: list[SettleInput]) -> ReservationsPayload:
        return await _submit(
            info.context,
            [item.request_id for item in settlements],
            [lambda item=item: as_settle(item) for item in settlements],  # type: ignore[misc]
        )

    @strawberry.mutation(description="Give up to 500 holds back at no cost.", metadata=ASKS_FOR_CONTEXT_ONLY)
    async def credits_release(self, info: Info, reservation_ids: list[strawberry.ID]) -> ReservationsPayload:
        return await _submit(
            info.context,
            [None] * len(reservation_ids),
            [lambda node_id=node_id: as_release(node_id) for node_id in reservation_ids],  # type: ignore[misc]
        )

    @strawberry.mutation(description="What a request would cost and whether it would pass now. Nothing is held.")
    async def credits_quote_usage(self, info: Info, request: ReserveInput) -> SpendCheckPayload:
        try:
            session = await info.context.session()
            return SpendCheckPayload(check=await check_spend(info.context, session, request), user_errors=[])
        except Refusal as refusal:
            return SpendCheckPayload(check=None, user_errors=[as_user_error(refusal)])


async def check_spend(context: Context, session: Session, request: ReserveInput) -> SpendCheck:
    """The cost and every limit of a request. Raises Refusal."""
    pool_id, command = as_reserve(request, session.actor.user_id)
    assert isinstance(command, Reserve)  # noqa: S101  as_reserve makes nothing else
    if session.actor.user_id not in {None, command.user_id}:
        raise Forbidden("You can ask for yourself only.", path=("userId",))
    quoted = await context.services.spending.quote(session, pool_id, command)
    return SpendCheck(
        credits=quoted.credits, allowed=quoted.allowed, limits=[as_limit(limit) for limit in quoted.limits]
    )


async def _viewer(context: Context) -> UUID | None:
    """The person who calls; None for a service."""
    if not hasattr(context.principal, "subject"):
        return None
    return (await context.session()).actor.user_id


async def _submit(
    context: Context, request_ids: Sequence[str | None], readers: Sequence[Callable[[], Item]]
) -> ReservationsPayload:
    """Run the items that can be read; the others have their refusal already."""
    refused = too_many(len(readers))
    if refused is not None:
        return ReservationsPayload(answers=[], user_errors=[refused])
    answers: list[Answer] = [None] * len(readers)
    items: dict[int, Item] = {}
    for index, read in enumerate(readers):
        try:
            items[index] = read()
        except Refusal as refusal:
            answers[index] = refusal
    await context.refresh()
    try:
        answered = await context.services.spending.submit(context.principal, list(items.values())) if items else []
    except Refusal as refusal:
        return ReservationsPayload(answers=[], user_errors=[as_user_error(refusal)])
    for index, answer in zip(items, answered, strict=True):
        answers[index] = answer
    return ReservationsPayload(
        answers=[as_answer(*pair) for pair in zip(request_ids, answers, strict=True)], user_errors=[]
    )
