"""The settings that stand alone (section 43.3): stored and read back, changed and refused."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.errors import Invalid, Refusal, TierNotEligible
from app.rules.permissions import Role
from app.rules.pool_settings import (
    AccessControl,
    ContentFiltering,
    Family,
    Notifications,
    PoolSettings,
    SettingsChange,
    SummaryFrequency,
    apply,
)

CHILD, TEEN, MOTHER = UUID(int=1), UUID(int=2), UUID(int=3)
ROLES = {CHILD: Role.RESTRICTED, TEEN: Role.MEMBER, MOTHER: Role.OWNER}
FAMILY = PoolSettings(Notifications(), AccessControl(), Family())
TEAM = PoolSettings(Notifications(), AccessControl(), None)

AMOUNTS = st.decimals(0, 1_000_000, places=6)
MODELS = st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,20}", fullmatch=True), max_size=5).map(tuple)
SETTINGS = st.builds(
    PoolSettings,
    st.builds(
        Notifications,
        AMOUNTS,
        st.lists(st.emails(), max_size=3).map(tuple),
        st.sampled_from(SummaryFrequency),
        st.booleans(),
    ),
    st.builds(AccessControl, st.none() | AMOUNTS, MODELS, st.none() | MODELS),
    st.none()
    | st.builds(Family, st.booleans(), st.sampled_from(ContentFiltering), st.lists(st.uuids(), max_size=3).map(tuple)),
)


@given(SETTINGS)
def test_what_is_stored_reads_back(settings: PoolSettings) -> None:
    stored = json.loads(json.dumps(settings.dump()))
    assert PoolSettings.load(stored, "family" if settings.family else "team") == settings


def test_the_stored_names_are_the_specifications() -> None:
    stored = FAMILY.dump()
    assert {group: set(values) for group, values in stored.items()} == {
        "notifications": {
            "lowBalanceThreshold", "lowBalanceRecipients", "usageSummaryFrequency", "unusualUsageAlerts",
        },
        "accessControl": {"requireApprovalAbove", "blockedModels", "allowedModels"},
        "familySettings": {"parentalControlsEnabled", "contentFiltering", "underageMembers"},
    }  # fmt: skip
    assert set(TEAM.dump()) == {"notifications", "accessControl"}


@pytest.mark.parametrize("kind", ["individual", "family", "team", "organization", "enterprise"])
def test_nothing_stored_is_the_defaults(kind: str) -> None:
    assert PoolSettings.load({}, kind) == (FAMILY if kind == "family" else TEAM)
    assert PoolSettings.load({"accessControl": {"blockedModels": None}}, kind).access_control == AccessControl()


def changed(current: PoolSettings, roles: dict[UUID, Role] | None = None, **groups: dict[str, Any]) -> PoolSettings:
    change = SettingsChange(**{"notifications": {}, "access_control": {}, "family": {}} | groups)
    return apply(current, change, ROLES if roles is None else roles)


def test_only_what_is_named_changes() -> None:
    after = changed(
        FAMILY,
        notifications={"summary": SummaryFrequency.DAILY},
        access_control={"approval_required_above": Decimal("0.5")},
        family={"underage_members": (CHILD,)},
    )
    assert after == PoolSettings(
        Notifications(summary=SummaryFrequency.DAILY),
        AccessControl(approval_required_above=Decimal("0.5")),
        Family(underage_members=(CHILD,)),
    )
    assert changed(after) == after
    assert changed(after, access_control={"approval_required_above": None}).access_control == AccessControl()


@pytest.mark.parametrize(
    ("groups", "path", "says"),
    [
        ({"notifications": {"low_balance_threshold": Decimal(-1)}}, "notifications.lowBalanceThreshold",
         "lowBalanceThreshold must be from 0 to 1,000,000 credits; -1 is not."),
        ({"notifications": {"low_balance_threshold": Decimal("NaN")}}, "notifications.lowBalanceThreshold",
         "lowBalanceThreshold must be from 0 to 1,000,000 credits; NaN is not."),
        ({"notifications": {"low_balance_threshold": Decimal("0.0000001")}}, "notifications.lowBalanceThreshold",
         "lowBalanceThreshold has at most 6 decimal places; 0.0000001 has more."),
        ({"notifications": {"recipients": tuple(f"p{n}@example.com" for n in range(21))}}, "notifications.recipients",
         "At most 20 recipients; you sent 21."),
        ({"notifications": {"recipients": ("good@example.com", "bad@@example.com")}}, "notifications.recipients",
         "'bad@@example.com' is not an e-mail address."),
        ({"access_control": {"approval_required_above": Decimal("1000000.1")}}, "accessControl.approvalRequiredAbove",
         "approvalRequiredAbove must be from 0 to 1,000,000 credits; 1000000.1 is not."),
        ({"access_control": {"blocked_models": tuple(f"m{n}" for n in range(201))}}, "accessControl.blockedModels",
         "At most 200 models in blockedModels; you sent 201."),
        ({"access_control": {"allowed_models": ("gpt 5",)}}, "accessControl.allowedModels",
         "'gpt 5' can't be a model id: letters, digits and . _ : / @ -, at most 100."),
        ({"access_control": {"blocked_models": ("a", "b", "c"), "allowed_models": ("c", "a")}},
         "accessControl.allowedModels", "A model can't be allowed and blocked at once: a, c."),
        ({"family": {"underage_members": (UUID(int=9),)}}, "family.underageMemberIds",
         "An underage member must be a member of this pool."),
        ({"family": {"underage_members": (CHILD, TEEN)}}, "family.underageMemberIds",
         "Underage members have the role restricted; this one is member. Change the role first."),
        ({"family": {"underage_members": (MOTHER,)}}, "family.underageMemberIds",
         "Underage members have the role restricted; this one is owner. Change the role first."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_what_would_be_right(groups: Any, path: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        changed(FAMILY, **groups)
    assert refused.value.path == ("patch", *path.split("."))
    assert refused.value.message == says


@pytest.mark.parametrize("group", [{"parental_controls": True}, {"underage_members": ()}])
def test_family_settings_are_for_families(group: dict[str, Any]) -> None:
    with pytest.raises(TierNotEligible) as refused:
        changed(TEAM, family=group)
    assert refused.value.path == ("patch", "family")


@pytest.mark.parametrize(
    "address",
    ["a@example.com", "first.last+tag@sub.example.co.uk", "x" * 64 + "@example.com", "ü@example.com"],
)
def test_addresses_that_are_accepted(address: str) -> None:
    assert changed(TEAM, notifications={"recipients": (address,)}).notifications.recipients == (address,)


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@example.com", "a@example", "a b@example.com", "a@example.com\nBcc: b@example.com", "a@ex ample.com",
     "a@example.com,b@example.com", "<a@example.com>", "x" * 65 + "@example.com", "a@" + "example." * 40 + "com",
     "a@example..com", "a@.com"],
)  # fmt: skip
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(Invalid):
        changed(TEAM, notifications={"recipients": (address,)})


@pytest.mark.parametrize("model", ["", "-x", ".x", "a b", "a\n", "a\x00", "x" * 101, "ü", "a,b"])
def test_model_ids_that_are_refused(model: str) -> None:
    for name in ("blocked_models", "allowed_models"):
        with pytest.raises(Invalid):
            changed(TEAM, access_control={name: (model,)})


def test_what_is_at_the_bound_is_accepted() -> None:
    after = changed(
        FAMILY,
        notifications={
            "recipients": tuple(f"p{n}@example.com" for n in range(20)),
            "low_balance_threshold": Decimal(1_000_000),
        },
        access_control={
            "blocked_models": tuple(f"m{n}" for n in range(200)),
            "allowed_models": ("x" * 100,),
            "approval_required_above": Decimal(0),
        },
    )
    assert len(after.notifications.recipients) == 20
    assert len(after.access_control.blocked_models) == 200


def test_a_conflict_with_what_is_stored_is_refused_too() -> None:
    blocked = changed(TEAM, access_control={"blocked_models": ("gpt-5",)})
    with pytest.raises(Invalid):
        changed(blocked, access_control={"allowed_models": ("gpt-5",)})


@pytest.mark.parametrize("roles", [{}, {CHILD: Role.MEMBER}])
def test_a_child_who_left_or_grew_up_does_not_block_other_changes(roles: dict[UUID, Role]) -> None:
    stored = changed(FAMILY, family={"underage_members": (CHILD,)})
    after = changed(stored, roles, family={"content_filtering": ContentFiltering.STRICT})
    assert after.family == Family(content_filtering=ContentFiltering.STRICT, underage_members=(CHILD,))
    with pytest.raises(Refusal):
        changed(stored, roles, family={"underage_members": (CHILD,)})
