import type { Tone } from "@/design/Badge";
import type {
  CreditBucket,
  MemberRole,
  MemberStatus,
  PoolKind,
  SubscriptionStatus,
  TransactionKind,
} from "@/gql/graphql";

/** How the API's words read on the page. A missing one is a type error. */
export const poolKinds: Record<PoolKind, string> = {
  INDIVIDUAL: "Personal pool",
  FAMILY: "Family pool",
  TEAM: "Team pool",
  ORGANIZATION: "Organization pool",
  ENTERPRISE: "Enterprise pool",
};

export const roles: Record<MemberRole, string> = {
  OWNER: "Owner",
  ADMIN: "Admin",
  MEMBER: "Member",
  RESTRICTED: "Restricted",
};

export const memberStatuses: Record<MemberStatus, { label: string; tone: Tone }> = {
  ACTIVE: { label: "Active", tone: "neutral" },
  INVITED: { label: "Invited", tone: "accent" },
  SUSPENDED: { label: "Suspended", tone: "danger" },
};

export const subscriptionStatuses: Record<SubscriptionStatus, { label: string; tone: Tone }> = {
  INCOMPLETE: { label: "Waiting for the first payment", tone: "caution" },
  INCOMPLETE_EXPIRED: { label: "First payment failed", tone: "danger" },
  TRIALING: { label: "Trial", tone: "accent" },
  ACTIVE: { label: "Active", tone: "accent" },
  PAST_DUE: { label: "Payment overdue", tone: "danger" },
  CANCELED: { label: "Canceled", tone: "neutral" },
  UNPAID: { label: "Unpaid", tone: "danger" },
  PAUSED: { label: "Paused", tone: "caution" },
};

export const buckets: Record<CreditBucket, { label: string; bar: string }> = {
  INCLUDED: { label: "Included", bar: "bg-included" },
  BONUS: { label: "Bonus", bar: "bg-bonus" },
  PURCHASED: { label: "Purchased", bar: "bg-purchased" },
};

/** Ruling 8: what is used up first, second, third. */
export const burnOrder: CreditBucket[] = ["INCLUDED", "BONUS", "PURCHASED"];

export const transactionKinds: Record<TransactionKind, string> = {
  PURCHASE: "Purchase",
  SUBSCRIPTION_GRANT: "Monthly credits",
  BONUS_GRANT: "Bonus",
  CONSUMPTION: "Usage",
  REFUND: "Refund",
  ADJUSTMENT: "Adjustment",
  TRANSFER_IN: "Transfer in",
  TRANSFER_OUT: "Transfer out",
  EXPIRATION: "Expired",
};

/** Kinds whose bucket goes without saying. */
export const bucketIsPlain: ReadonlySet<TransactionKind> = new Set<TransactionKind>([
  "PURCHASE",
  "SUBSCRIPTION_GRANT",
  "BONUS_GRANT",
  "EXPIRATION",
]);
