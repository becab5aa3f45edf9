"""Principal (who presented what) -> Actor (who that is in the tenant), read inside the very transaction that acts.

Roles and permissions are never cached: what an admin takes away is gone with the next request.
"""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import orjson
from asyncpg import Record
from sqlalchemy import func, or_, select

from app.rules.errors import Forbidden, NotFound
from app.rules.permissions import SEES_MEMBERS, Permission, Role, granted
from app.tenancy import ActorKind, Database, Read, Scope, Transaction
from models.api_keys import ApiKey
from models.tenants import User


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A verified token: which subject of which tenant, until when."""

    tenant_id: UUID
    subject: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """A presented API key: its parts, not yet checked against the stored hash."""

    tenant_id: UUID
    key_id: UUID
    secret_hash: bytes


Principal = UserPrincipal | ServicePrincipal
READ_SCOPE = "pool:read"  # of app/auth/api_keys.py


class Unauthenticated(Exception):
    """Nobody we know: no token, a bad one, or no such user or key in the tenant. `reason` is for the log; `status` for the answer."""

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Membership:
    """The actor's own membership of one pool."""

    id: UUID
    pool_id: UUID
    role: Role
    permissions: frozenset[Permission]
    active: bool

    def can(self, permission: Permission) -> bool:
        return self.active and permission in self.permissions

    @property
    def sees_members(self) -> bool:
        return self.active and bool(self.permissions & SEES_MEMBERS)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, with what: memberships of a person, scopes of a service."""

    kind: ActorKind
    tenant_id: UUID
    user_id: UUID | None
    memberships: tuple[Membership, ...] = ()
    scopes: frozenset[str] = frozenset()

    def membership(self, pool_id: UUID) -> Membership | None:
        """The membership of a pool, or None: then the pool does not exist for this actor."""
        for one in self.memberships:
            if one.pool_id == pool_id:
                return one
        return None

    def sees(self, pool_id: UUID) -> bool:
        """Whether the pool exists for this actor. Which pools a service's key serves, row level security decides."""
        return self.membership(pool_id) is not None or self._reads

    def can(self, pool_id: UUID, permission: Permission) -> bool:
        found = self.membership(pool_id)
        if found is None:
            return self._reads and permission in {Permission.VIEW_POOL_BALANCE, Permission.VIEW_OTHER_USAGE}
        return found.can(permission)

    def sees_purchase(self, pool_id: UUID, buyer_id: UUID) -> bool:
        """Whether a purchase of this pool exists for this actor: their own, or with VIEW_POOL_BALANCE."""
        return self.user_id == buyer_id or self.can(pool_id, Permission.VIEW_POOL_BALANCE)

    def sees_members(self, pool_id: UUID) -> bool:
        """Whether the pool's other members are shown to this actor."""
        found = self.membership(pool_id)
        return self._reads if found is None else found.sees_members

    @property
    def sees_people(self) -> bool:
        """Whether the actor is shown anybody: a service without pool:read is not."""
        return self.kind is not ActorKind.SERVICE or self._reads

    @property
    def _reads(self) -> bool:
        return self.kind is ActorKind.SERVICE and READ_SCOPE in self.scopes

    def require(self, pool_id: UUID, permission: Permission) -> Membership:
        """The membership, if it has the permission. A pool of others is NotFound, a missing permission Forbidden."""
        found = self.membership(pool_id)
        if found is None:
            raise NotFound("pool", path=("poolId",))
        if not found.active:
            raise Forbidden("Your membership of this pool is suspended. Its owner or an admin can reactivate it.")
        if permission not in found.permissions:
            raise Forbidden(
                f"This needs the permission {permission.name} in this pool. Its owner or an admin can grant it."
            )
        return found


@dataclass(slots=True)
class Session:
    """An open transaction and who acts in it."""

    tx: Transaction
    actor: Actor
    opened_with: list[Record] | None = None  # what its opening read for the actor


class Opening(Protocol):
    """What an operation reads first of all, if its actor is who acted last time: then it is read in one message with the memberships."""

    @property
    def statement(self) -> Read:
        """Made by `with_memberships`."""

    def parameters(self, actor: Actor) -> dict[str, Any]:
        """The statement's, for this actor."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What the last operation of a person read and made of it. A transaction begins with its scope; its first statement reads the
    memberships anew (own rows, whatever the scope's pools). Only where it reads the very same is the same actor taken."""

    scope: Scope
    memberships: str
    actor: Actor


_remembered: dict[tuple[UUID, str], _Remembered] = {}
_MAX_REMEMBERED = 50_000

_MEMBERSHIPS = Read("""
    SELECT json_agg(own)::text AS memberships
      FROM (SELECT u.disabled_at, m.id, m.pool_id, m.role, m.permissions, m.status
              FROM users u
              LEFT JOIN credit_pool_members m ON m.tenant_id = u.tenant_id AND m.user_id = u.id AND m.status <> 'invited'
             WHERE u.tenant_id = :tenant AND u.id = :user AND u.subject = :subject
             ORDER BY m.created_at, m.id) own
""")


def with_memberships(statement: Read) -> Read:
    """The statement's rows, at least one, with the memberships of `:user` and `:subject` beside them."""
    found = f"LEFT JOIN LATERAL ({statement.source}) found ON true"
    return Read(f"SELECT own.memberships, found.* FROM ({_MEMBERSHIPS.source}) own {found}")  # noqa: S608


@asynccontextmanager
async def acting(
    database: Database, principal: Principal, *, read_only: bool = False, opening: Opening | None = None
) -> AsyncIterator[Session]:
    """Open the transaction in which a principal acts. Raises Unauthenticated for an unknown or disabled user and a bad key."""
    if isinstance(principal, UserPrincipal):
        known = _remembered.get((principal.tenant_id, principal.subject))
        scope = known.scope if known else Scope(principal.tenant_id, ActorKind.USER)
        async with database.transaction(scope, read_only=read_only) as tx:
            yield await _user(tx, principal, known, opening)
    else:
        scope = Scope(principal.tenant_id, ActorKind.SERVICE)
        async with database.transaction(scope, read_only=read_only) as tx:
            yield Session(tx, await _service(tx, principal))


async def _user(
    tx: Transaction, principal: UserPrincipal, known: _Remembered | None, opening: Opening | None
) -> Session:
    memberships = None
    if known is not None:
        given = opening.parameters(known.actor) if opening else {}
        statement = opening.statement if opening else _MEMBERSHIPS
        rows = await tx.read(
            statement, tenant=tx.tenant_id, user=known.actor.user_id, subject=principal.subject, **given
        )
        memberships = rows[0]["memberships"]
        if memberships == known.memberships:
            return Session(tx, known.actor, rows if opening else None)
    return Session(tx, await _newly_read(tx, principal, memberships))


async def _newly_read(tx: Transaction, principal: UserPrincipal, memberships: str | None) -> Actor:
    """The actor whose memberships are as they were read, or are still to be read; remembered for the next time."""
    if memberships is None:
        user_id = await _look_up(tx, principal.subject)
        (row,) = await tx.read(_MEMBERSHIPS, tenant=tx.tenant_id, user=user_id, subject=principal.subject)
        memberships = row["memberships"]
    rows = orjson.loads(memberships or "[]")
    if rows[0]["disabled_at"] is not None:
        raise Unauthenticated("the user is disabled")
    own = tuple(_membership(row) for row in rows if row["id"] is not None)
    await tx.narrow(
        member_pools=(one.pool_id for one in own),
        visible_pools=(one.pool_id for one in own if one.sees_members),
    )
    actor = Actor(ActorKind.USER, tx.tenant_id, tx.scope.user_id, own)
    if len(_remembered) >= _MAX_REMEMBERED:
        _remembered.clear()
    _remembered[principal.tenant_id, principal.subject] = _Remembered(tx.scope, memberships or "", actor)
    return actor


def _membership(row: dict[str, Any]) -> Membership:
    return Membership(
        id=UUID(row["id"]),
        pool_id=UUID(row["pool_id"]),
        role=Role(row["role"]),
        permissions=frozenset(granted(row["permissions"])),
        active=row["status"] == "active",
    )


async def _look_up(tx: Transaction, subject: str) -> UUID:
    """The user of a subject; from then on the transaction acts as them."""
    user_id: UUID | None = await tx.scalar(
        select(User.id).where(User.tenant_id == tx.tenant_id, User.subject == subject)
    )
    if user_id is None:
        raise Unauthenticated("the token's subject is no user of its tenant")
    await tx.become(user_id)
    return user_id


async def _service(tx: Transaction, principal: ServicePrincipal) -> Actor:
    row = await tx.row(
        select(ApiKey.key_hash, ApiKey.pool_id, ApiKey.scopes).where(
            ApiKey.tenant_id == tx.tenant_id,
            ApiKey.id == principal.key_id,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
        )
    )
    if row is None or not hmac.compare_digest(bytes(row.key_hash), principal.secret_hash):
        raise Unauthenticated("no such API key, or it is revoked or expired")
    if row.pool_id is not None:
        await tx.narrow(member_pools=(row.pool_id,), visible_pools=(row.pool_id,))
    return Actor(ActorKind.SERVICE, tx.tenant_id, None, scopes=frozenset(row.scopes))


def utc_now() -> datetime:
    """The clock of services; rules get the time as an argument."""
    return datetime.now(UTC)
