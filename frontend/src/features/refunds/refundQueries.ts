import { graphql } from "@/gql";
import type { MoneyBackFragment } from "@/gql/graphql";

export const RequestRefundDocument = graphql(`
  mutation RequestRefund($purchaseId: ID!, $reason: String!, $idempotencyKey: UUID!) {
    purchaseRefundRequest(id: $purchaseId, reason: $reason, idempotencyKey: $idempotencyKey) {
      purchase {
        id
        ...MoneyBack
      }
      userErrors {
        code
        message
      }
    }
  }

  fragment MoneyBack on CreditPurchase {
    id
    viewerCanRequestRefund
    refundable {
      amount
      currency
    }
    refunds {
      id
      status
      amount {
        amount
        currency
      }
      reason
      explanation
      createdAt
    }
    disputes {
      id
      state
      reason
      amount {
        amount
        currency
      }
      explanation
      openedAt
    }
  }
`);

export type MoneyBack = MoneyBackFragment;
export type Refund = MoneyBack["refunds"][number];
export type Dispute = MoneyBack["disputes"][number];

/** The longest reason that the server takes. */
export const longestReason = 500;
