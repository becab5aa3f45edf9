"""Who lives in the demo: a family, a team, one person alone, and one who has just come. Data and nothing else."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid5

from app.rules.catalogue import TierCode
from app.rules.permissions import Role
from app.rules.pool_settings import (
    AccessControl,
    ContentFiltering,
    Family,
    Notifications,
    PoolSettings,
    SummaryFrequency,
)

_NAMESPACE = UUID("7b6d3f0e-5d0c-4f6e-9a57-3f5f0d9c2b11")


def demo_id(*names: str) -> UUID:
    """A stable id: the same demo has the same ids on every machine and after every reset."""
    return uuid5(_NAMESPACE, "/".join(names))


@dataclass(frozen=True, slots=True)
class Habit:
    """How a person uses AI: requests on a working day and on a day of the weekend, their size, and the local hours between."""

    weekday: float
    weekend: float
    size: float = 1.0
    hours: tuple[int, int] = (8, 18)


@dataclass(frozen=True, slots=True)
class Member:
    """Limits in credits; None is unlimited."""

    name: str
    email: str
    role: Role
    habit: Habit
    daily: Decimal | None = None
    monthly: Decimal | None = None
    per_request: Decimal | None = None

    @property
    def key(self) -> str:
        return self.email.split("@")[0]


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """One tenant with one pool. `days`: how long ago it began; `top_up`: credits bought whenever the balance gets low."""

    key: str
    name: str
    pool_name: str
    pool_type: str
    tier: TierCode
    cycle: str
    time_zone: str
    days: int
    members: tuple[Member, ...]
    settings: PoolSettings
    top_up: Decimal | None = None
    company: bool = False

    @property
    def id(self) -> UUID:
        return demo_id(self.key)

    @property
    def pool_id(self) -> UUID:
        return demo_id(self.key, "pool")

    @property
    def owner(self) -> Member:
        return self.members[0]

    def user_id(self, member: Member) -> UUID:
        return demo_id(self.key, "user", member.key)

    def subject(self, member: Member) -> str:
        """The subject that the embedded issuer puts into the token."""
        return f"demo|{self.key}|{member.key}"


def _settings(
    *recipients: str, threshold: str = "1", access: AccessControl | None = None, family: Family | None = None
) -> PoolSettings:
    mail = Notifications(Decimal(threshold), recipients, SummaryFrequency.WEEKLY)
    return PoolSettings(mail, access or AccessControl(), family)


_EVENINGS = (16, 22)
_CHILD = Habit(weekday=4, weekend=6, size=0.4, hours=(15, 20))
_ENGINEER = Habit(weekday=11, weekend=0.8, size=1.9)
_WRITER = Habit(weekday=7, weekend=0.3, size=0.9)
_OCCASIONAL = Habit(weekday=3, weekend=0.1, size=0.7)

RIVERA = DemoTenant(
    key="rivera",
    name="Rivera family",
    pool_name="Family pool",
    pool_type="family",
    tier="FAMILY",
    cycle="monthly",
    time_zone="America/Los_Angeles",
    days=75,
    members=(
        Member("Elena Rivera", "owner@rivera.example", Role.OWNER, Habit(7, 5, 1.2, _EVENINGS)),
        Member("Marco Rivera", "marco@rivera.example", Role.ADMIN, Habit(6, 4, 1.1, _EVENINGS)),
        Member("Abuela Rosa", "rosa@rivera.example", Role.MEMBER, Habit(1, 1.5, 0.5, (10, 19)), monthly=Decimal(3)),
        Member(
            "Lucia Rivera", "lucia@rivera.example", Role.RESTRICTED, _CHILD, Decimal("0.1"), Decimal(2), Decimal("0.03")
        ),
        Member(
            "Diego Rivera",
            "diego@rivera.example",
            Role.RESTRICTED,
            _CHILD,
            Decimal("0.05"),
            Decimal(1),
            Decimal("0.02"),
        ),
    ),
    settings=_settings(
        "owner@rivera.example",
        access=AccessControl(approval_required_above=Decimal("0.5"), blocked_models=("gpt-image-1",)),
        family=Family(
            content_filtering=ContentFiltering.STRICT,
            underage_members=(demo_id("rivera", "user", "lucia"), demo_id("rivera", "user", "diego")),
        ),
    ),
    top_up=Decimal(10),
)

NORTHWIND = DemoTenant(
    key="northwind",
    name="Northwind Labs",
    pool_name="Northwind Labs",
    pool_type="team",
    tier="TEAM",
    cycle="monthly",
    time_zone="America/New_York",
    days=90,
    members=(
        Member("Nora Whitfield", "owner@northwind.example", Role.OWNER, _OCCASIONAL),
        Member("Tomas Lindqvist", "tomas@northwind.example", Role.ADMIN, _ENGINEER),
        Member("Priya Raman", "priya@northwind.example", Role.ADMIN, _WRITER),
        Member("Jonas Keller", "jonas@northwind.example", Role.MEMBER, _ENGINEER),
        Member("Aisha Bello", "aisha@northwind.example", Role.MEMBER, Habit(14, 2, 1.8, (9, 20))),
        Member("Wei Chen", "wei@northwind.example", Role.MEMBER, _ENGINEER, daily=Decimal(2)),
        Member("Clara Moreau", "clara@northwind.example", Role.MEMBER, _WRITER),
        Member("Samir Haddad", "samir@northwind.example", Role.MEMBER, _WRITER, monthly=Decimal(10)),
        Member("Ingrid Solheim", "ingrid@northwind.example", Role.MEMBER, _OCCASIONAL),
        Member("Mateus Rocha", "mateus@northwind.example", Role.MEMBER, _ENGINEER, per_request=Decimal("0.5")),
        Member("Hannah Fox", "hannah@northwind.example", Role.MEMBER, _OCCASIONAL),
        Member("Kenji Mori", "kenji@northwind.example", Role.RESTRICTED, _OCCASIONAL, Decimal("0.2"), Decimal(3)),
    ),
    settings=_settings("owner@northwind.example", "tomas@northwind.example", threshold="5"),
    top_up=Decimal(25),
    company=True,
)

SAM = DemoTenant(
    key="sam",
    name="Sam Solo",
    pool_name="Sam's credits",
    pool_type="individual",
    tier="INDIVIDUAL",
    cycle="annual",
    time_zone="Europe/Berlin",
    days=45,
    members=(Member("Sam Solo", "sam@solo.example", Role.OWNER, Habit(9, 5, 1.0, (9, 23))),),
    settings=_settings("sam@solo.example"),
    top_up=Decimal(5),
)

NIA = DemoTenant(
    key="nia",
    name="Nia New",
    pool_name="Nia's credits",
    pool_type="individual",
    tier="FREE",
    cycle="monthly",
    time_zone="Africa/Nairobi",
    days=2,
    members=(Member("Nia New", "nia@new.example", Role.OWNER, Habit(1.5, 1.5, 0.4)),),
    settings=_settings("nia@new.example", threshold="0.1"),
)

TENANTS = (RIVERA, NORTHWIND, SAM, NIA)
