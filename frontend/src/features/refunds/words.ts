import type { Tone } from "@/design/Badge";
import type { DisputeState, RefundStatus } from "@/gql/graphql";

export const refundWords: Record<RefundStatus, { label: string; tone: Tone }> = {
  REQUESTED: { label: "Requested", tone: "caution" },
  REJECTED: { label: "Declined", tone: "neutral" },
  PENDING: { label: "Approved", tone: "accent" },
  PROCESSING: { label: "On its way", tone: "accent" },
  SUCCEEDED: { label: "Given back", tone: "accent" },
  FAILED: { label: "Failed", tone: "danger" },
};

export const disputeWords: Record<DisputeState, { title: string; tone: "info" | "caution" | "danger" }> = {
  INQUIRY: { title: "Your bank has asked about this payment", tone: "caution" },
  OPEN: { title: "This payment is disputed at your bank", tone: "caution" },
  WON: { title: "The dispute is settled: the payment stands", tone: "info" },
  LOST: { title: "The dispute is settled: your bank kept the payment", tone: "danger" },
  CLOSED: { title: "Your bank’s question is settled", tone: "info" },
};
