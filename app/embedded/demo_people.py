"""The demo's people as the embedded issuer lists them; apart from the seed, which loads every model."""

from app.embedded.demo_tenants import TENANTS
from app.embedded.oidc import Person

PEOPLE: tuple[Person, ...] = tuple(
    Person(tenant.subject(member), tenant.id, tenant.name, member.email, member.name, member.role.value)
    for tenant in TENANTS
    for member in tenant.members
)
