"""Row level security: who sees which rows, as SQL for PostgreSQL alone and for Citus.

The policies read only the session settings that app/tenancy.py sets, never a table (PostgreSQL recurses on that, Citus cannot run it
on a shard). A setting that is missing or empty shows no rows and raises no error.

On PostgreSQL each reading stands in a `(select ...)`: an InitPlan, evaluated once a query instead of once a row. Citus refuses
sub-selects in policies and gets the bare expressions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Verb = Literal["select", "insert", "update", "delete"]

_KIND = "current_setting('app.actor_kind', true)"
_MEMBER_POOLS = "coalesce(current_setting('app.member_pools', true), '')"


class Sight(Enum):
    """Whose rows an actor meets inside its own tenant."""

    TENANT = "every row of the tenant"
    POOL = "rows of the pools that the actor belongs to"
    PERSON = "of those pools, other people's rows only where the actor may see other people's usage"
    MEMBER = "as PERSON, and the own row always: the actor itself is read from it"
    OWN = "what is addressed to the person; insertable for anybody of the tenant"


@dataclass(frozen=True, slots=True)
class Access:
    """What portal_app may do with one table, and which column holds the tenant and the pool."""

    table: str
    sight: Sight
    verbs: tuple[Verb, ...]
    tenant: str = "tenant_id"
    pool: str = "pool_id"


def statements(access: Access, *, citus: bool) -> Iterator[str]:
    """The statements that put one table behind the wall: RLS enabled and forced, a grant and a policy for each verb."""
    yield f"ALTER TABLE {access.table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {access.table} FORCE ROW LEVEL SECURITY"
    yield f"GRANT {', '.join(access.verbs).upper()} ON {access.table} TO portal_app"
    conditions = _Conditions(access, citus)
    for verb in access.verbs:
        condition = conditions.reads() if verb == "select" else conditions.writes(verb)
        clauses = {
            "select": f"USING ({condition})",
            "insert": f"WITH CHECK ({condition})",
            "update": f"USING ({condition})\n    WITH CHECK ({condition})",
            "delete": f"USING ({condition})",
        }
        yield f"CREATE POLICY {access.table}_{verb} ON {access.table} FOR {verb.upper()}\n    {clauses[verb]}"


@dataclass(frozen=True, slots=True)
class _Conditions:
    access: Access
    citus: bool

    def reads(self) -> str:
        pool, other_people = self._in_actors_pools(), self._other_people()
        match self.access.sight:
            case Sight.TENANT:
                inside = "true"
            case Sight.POOL:
                inside = pool
            case Sight.PERSON:
                inside = f"{pool} AND ({other_people})"
            case Sight.MEMBER:
                inside = f"({self._own()} OR {pool} AND ({other_people}))"
            case Sight.OWN:
                worker = self._reading(f"{_KIND} = 'worker'")
                inside = f"({worker} OR {self._own()})"
        return f"{self._tenant()}\n        AND {inside}"

    def writes(self, verb: Verb) -> str:
        """Rows are written by the pool's rule: an admin changes another member's limits without seeing that member's usage."""
        match self.access.sight:
            case Sight.OWN if verb != "insert":
                return self.reads()
            case Sight.TENANT | Sight.OWN:
                return self._tenant()
            case _:
                return f"{self._tenant()}\n        AND {self._in_actors_pools()}"

    def _reading(self, expression: str, type_: str = "") -> str:
        cast = f"::{type_}" if type_ else ""
        return f"({expression}){cast}" if self.citus else f"(SELECT {expression}){cast}"

    def _tenant(self) -> str:
        """The row's tenant is the current one; an actor of an unknown kind has no tenant."""
        current = (
            f"CASE WHEN {_KIND} IN ('user', 'service', 'worker') "
            "THEN nullif(current_setting('app.current_tenant_id', true), '')::uuid END"
        )
        return f"{self.access.tenant} = {self._reading(current)}"

    def _in_actors_pools(self) -> str:
        """The worker and a service without pools of its own act in all pools of the tenant, everybody else in their own."""
        every_pool = f"{_KIND} = 'worker' OR {_KIND} = 'service' AND {_MEMBER_POOLS} = ''"
        return f"({self._reading(every_pool)} OR {self._pool_among('app.member_pools')})"

    def _other_people(self) -> str:
        not_a_person = self._reading(f"{_KIND} <> 'user'")
        return f"{not_a_person} OR {self._own()} OR {self._pool_among('app.visible_pools')}"

    def _own(self) -> str:
        current = f"CASE WHEN {_KIND} = 'user' THEN nullif(current_setting('app.current_user_id', true), '')::uuid END"
        return f"user_id = {self._reading(current)}"

    def _pool_among(self, setting: str) -> str:
        pools = f"string_to_array(nullif(current_setting('{setting}', true), ''), ',')::uuid[]"
        # The cast outside makes PostgreSQL take the sub-select for an array instead of for rows.
        return f"{self.access.pool} = ANY ({self._reading(pools, 'uuid[]')})"
