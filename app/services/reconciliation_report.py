"""What reconciliation has found, for the log and for `portal reconcile`."""

from dataclasses import dataclass
from uuid import UUID

import structlog

log = structlog.get_logger("reconciliation")


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: put right (in a dry run: what would be), or, if not `explained`, for an operator."""

    tenant_id: UUID
    subject: str
    stripe_id: str | None
    explained: bool
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has found among so many purchases and payments; `foreign` of these are no purchases of any portal."""

    purchases: int
    payments: int
    foreign: int
    findings: tuple[Finding, ...]

    @property
    def unexplained(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if not one.explained)


def tell(finding: Finding) -> Finding:
    """Each finding stands in the log at once, whatever becomes of the rest of the run."""
    say = log.info if finding.explained else log.error
    say(
        "reconciliation.put_right" if finding.explained else "reconciliation.unexplained",
        tenant_id=str(finding.tenant_id),
        subject=finding.subject,
        stripe_id=finding.stripe_id,
        what=finding.what,
    )
    return finding
