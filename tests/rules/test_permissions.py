"""Who may change whom, and grant what (ruling 14): every combination, against the ruling written out as a table."""

from collections.abc import Iterator
from itertools import chain, combinations, product

import pytest

from app.rules.errors import Forbidden, Invalid, Refusal
from app.rules.permissions import (
    ALL_PERMISSIONS,
    DEFAULT_PERMISSIONS,
    SEES_MEMBERS,
    Permission,
    Role,
    check_limits_change,
    check_permissions_change,
    may_change,
)

SETS = [frozenset(some) for size in range(7) for some in combinations(Permission, size)]
# Ruling 14, written out: whom each role may change (others, not themselves).
BELOW = {
    Role.OWNER: {Role.OWNER, Role.ADMIN, Role.MEMBER, Role.RESTRICTED},
    Role.ADMIN: {Role.MEMBER, Role.RESTRICTED},
    Role.MEMBER: {Role.RESTRICTED},
    Role.RESTRICTED: set(),
}


def refusal_of(function: object, *arguments: object, **named: object) -> Refusal | None:
    try:
        function(*arguments, **named)  # type: ignore[operator]
    except Refusal as refused:
        return refused
    return None


def test_the_six_permissions_and_what_each_role_begins_with() -> None:
    assert {one.value for one in Permission} == {
        "canPurchaseCredits",
        "canViewPoolBalance",
        "canViewOtherUsage",
        "canInviteMembers",
        "canRemoveMembers",
        "canModifySettings",
    }
    assert (
        DEFAULT_PERMISSIONS[Role.OWNER] == DEFAULT_PERMISSIONS[Role.ADMIN] == ALL_PERMISSIONS == frozenset(Permission)
    )
    assert DEFAULT_PERMISSIONS[Role.MEMBER] == {Permission.VIEW_POOL_BALANCE}
    assert DEFAULT_PERMISSIONS[Role.RESTRICTED] == frozenset()
    assert set(Permission) - SEES_MEMBERS == {Permission.PURCHASE_CREDITS, Permission.VIEW_POOL_BALANCE}


@pytest.mark.parametrize(("actor", "target"), list(product(Role, Role)))
def test_who_may_change_whom(actor: Role, target: Role) -> None:
    assert may_change(actor, target, own=False) is (target in BELOW[actor])
    assert may_change(actor, actor, own=True) is (actor is Role.OWNER)


@pytest.mark.parametrize(("actor", "target", "own"), list(product(Role, Role, (False, True))))
def test_limits(actor: Role, target: Role, own: bool) -> None:
    allowed = actor is Role.OWNER or (not own and target in BELOW[actor])
    with_permission = refusal_of(check_limits_change, actor, frozenset({Permission.MODIFY_SETTINGS}), target, own=own)
    assert (with_permission is None) is allowed
    without = refusal_of(check_limits_change, actor, ALL_PERMISSIONS - {Permission.MODIFY_SETTINGS}, target, own=own)
    assert isinstance(without, Forbidden)
    assert "MODIFY_SETTINGS" in without.message


def cases() -> Iterator[tuple[frozenset[Permission], frozenset[Permission], frozenset[Permission]]]:
    """(what the actor has, what the member has, what is wanted): all actors against a spread of the other two."""
    few = [frozenset[Permission](), ALL_PERMISSIONS, *(frozenset({one}) for one in Permission), SETS[17], SETS[33]]
    return chain(product(SETS, few, few), product(few, few, SETS), product(few, SETS, few))


@pytest.mark.parametrize(("actor", "target"), list(product(Role, Role)))
def test_permissions_of_others(actor: Role, target: Role) -> None:
    for has, current, wanted in cases():
        refused = refusal_of(check_permissions_change, actor, has, target, current, wanted, own=False)
        if Permission.MODIFY_SETTINGS not in has or target not in BELOW[actor]:
            assert isinstance(refused, Forbidden)
        elif target is Role.OWNER:
            assert isinstance(refused, Invalid)
        elif not wanted <= current | has:
            assert isinstance(refused, Forbidden)
            beyond = {one.name for one in wanted - current - has}
            assert beyond == set(refused.message.partition(": ")[2].rstrip(".").split(", "))
        else:
            assert refused is None


@pytest.mark.parametrize("role", Role)
def test_nobody_changes_their_own_permissions(role: Role) -> None:
    for wanted in SETS:
        refused = refusal_of(check_permissions_change, role, ALL_PERMISSIONS, role, ALL_PERMISSIONS, wanted, own=True)
        assert isinstance(refused, Invalid if role is Role.OWNER else Forbidden)


@pytest.mark.parametrize(
    ("actor", "has", "target", "own", "says"),
    [
        (Role.MEMBER, frozenset(), Role.RESTRICTED, False,
         "This needs the permission MODIFY_SETTINGS in this pool. The owner or an admin can grant it."),
        (Role.ADMIN, ALL_PERMISSIONS, Role.ADMIN, False,
         "As admin you can't change a member with the role admin. Someone of a higher role can."),
        (Role.ADMIN, ALL_PERMISSIONS, Role.ADMIN, True,
         "As admin you can't change yourself. Someone of a higher role can."),
    ],
)  # fmt: skip
def test_a_refusal_says_who_can_instead(
    actor: Role,
    has: frozenset[Permission],
    target: Role,
    own: bool,
    says: str,
) -> None:
    refused = refusal_of(check_limits_change, actor, has, target, own=own)
    assert refused is not None
    assert refused.message == says
