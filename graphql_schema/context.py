"""What one operation has at hand: who asks, one read transaction for all that it reads, and the loaders on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import strawberry

from app.auth.actor import Principal, Session, acting, utc_now
from app.services.catalogue import CatalogueCache
from app.services.payment_methods import PaymentMethods
from app.services.purchases import Purchasing
from app.services.quotes import QuoteSigner
from app.services.refunds import Refunding
from app.services.spending.service import Spending
from app.tenancy import Database

if TYPE_CHECKING:
    from graphql_schema.loaders import Loaders
    from graphql_schema.pages import Ahead


@dataclass(frozen=True, slots=True)
class Services:
    """What the API needs of the process, made once at its start."""

    database: Database
    purchasing: Purchasing
    signer: QuoteSigner
    catalogue: CatalogueCache
    spending: Spending
    payment_methods: PaymentMethods

    @property
    def refunding(self) -> Refunding:
        return Refunding(self.database, self.purchasing.gateway, self.purchasing)


class Context:
    """Of one operation. Enter it around the execution: leaving it ends the read transaction."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self.services = services
        self.principal = principal
        self.now: datetime = utc_now()
        self._acting: AbstractAsyncContextManager[Session] | None = None
        self._opening = asyncio.Lock()
        self._session: Session | None = None
        self._loaders: Loaders | None = None
        self.ahead: Ahead | None = None  # what will be read first; set before the session is opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refresh()

    async def session(self) -> Session:
        """The operation's one read-only transaction, opened by the first who asks: every figure is of the same instant."""
        if self._session is None:
            async with self._opening:
                if self._session is None:
                    transaction = acting(self.services.database, self.principal, read_only=True, opening=self.ahead)
                    self._session = await transaction.__aenter__()
                    self._acting = transaction
        return self._session

    @asynccontextmanager
    async def before_session(self) -> AsyncIterator[bool]:
        """Keep the session from being opened meanwhile, so that what is waited for holds no connection. False: it is open already."""
        async with self._opening:
            yield self._session is None

    @property
    def loaders(self) -> "Loaders":
        if self._loaders is None:
            from graphql_schema.loaders import Loaders  # noqa: PLC0415  loaders make types, types take the context

            self._loaders = Loaders(self)
        return self._loaders

    async def refresh(self) -> None:
        """Before a mutation and after its commit: no connection is held, and what is read from now on is read anew."""
        transaction, self._acting = self._acting, None
        self._session = self._loaders = self.ahead = None
        if transaction is not None:
            await transaction.__aexit__(None, None, None)


Info = strawberry.Info[Context, Any]
