"""Roles and permissions of a pool's members: who may change whom (ruling 14)."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum

from app.rules.errors import Forbidden, Invalid


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    RESTRICTED = "restricted"


class Permission(StrEnum):
    """The six permissions of section 43.3, by their names in `credit_pool_members.permissions`."""

    PURCHASE_CREDITS = "canPurchaseCredits"
    VIEW_POOL_BALANCE = "canViewPoolBalance"
    VIEW_OTHER_USAGE = "canViewOtherUsage"
    INVITE_MEMBERS = "canInviteMembers"
    REMOVE_MEMBERS = "canRemoveMembers"
    MODIFY_SETTINGS = "canModifySettings"


ALL_PERMISSIONS = frozenset(Permission)
_BY_NAME = tuple((one.value, one) for one in Permission)
DEFAULT_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: ALL_PERMISSIONS,
    Role.ADMIN: ALL_PERMISSIONS,
    Role.MEMBER: frozenset({Permission.VIEW_POOL_BALANCE}),
    Role.RESTRICTED: frozenset(),
}
# Whoever has one of these works with other members' rows and therefore reads them; figures of usage still need VIEW_OTHER_USAGE.
SEES_MEMBERS = frozenset(
    {
        Permission.VIEW_OTHER_USAGE,
        Permission.INVITE_MEMBERS,
        Permission.REMOVE_MEMBERS,
        Permission.MODIFY_SETTINGS,
    }
)
_RANK = {Role.RESTRICTED: 0, Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}


def granted(stored: Mapping[str, bool]) -> list[Permission]:
    """The permissions out of a member's stored flags, in the order of section 43.3."""
    return [permission for name, permission in _BY_NAME if stored.get(name)]


def may_change(actor_role: Role, target_role: Role, *, own: bool) -> bool:
    """Nobody changes someone of equal or higher role, except the owner; nobody changes their own rights, except the owner's limits."""
    if actor_role is Role.OWNER:
        return True
    return not own and _RANK[actor_role] > _RANK[target_role]


def check_limits_change(
    actor_role: Role, actor_permissions: AbstractSet[Permission], target_role: Role, *, own: bool
) -> None:
    """Limits are settings: they need MODIFY_SETTINGS and a lower-ranked member (or being the owner)."""
    _check_modify(actor_role, actor_permissions, target_role, own=own)


def check_permissions_change(
    actor_role: Role,
    actor_permissions: AbstractSet[Permission],
    target_role: Role,
    current: AbstractSet[Permission],
    wanted: AbstractSet[Permission],
    *,
    own: bool,
) -> None:
    """Each permission can be granted or taken singly, except from the owner; nobody grants what they don't have (ruling 14)."""
    _check_modify(actor_role, actor_permissions, target_role, own=own)
    if target_role is Role.OWNER:
        raise Invalid(
            "The owner always has all six permissions; they can't be taken. Transfer the ownership first.",
            path=("permissions",),
            reason="owner_permissions",
        )
    beyond = sorted(permission.name for permission in (wanted - current) - actor_permissions)
    if beyond:
        raise Forbidden(f"You can't grant what you don't have yourself: {', '.join(beyond)}.", path=("permissions",))


def _check_modify(
    actor_role: Role, actor_permissions: AbstractSet[Permission], target_role: Role, *, own: bool
) -> None:
    if Permission.MODIFY_SETTINGS not in actor_permissions:
        raise Forbidden("This needs the permission MODIFY_SETTINGS in this pool. The owner or an admin can grant it.")
    if not may_change(actor_role, target_role, own=own):
        whom = "yourself" if own else f"a member with the role {target_role.value}"
        raise Forbidden(f"As {actor_role.value} you can't change {whom}. Someone of a higher role can.")
