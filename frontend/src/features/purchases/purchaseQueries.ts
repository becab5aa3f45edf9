import { graphql } from "@/gql";
import type { PurchaseFragment, PurchaseStatus, QuoteFragment } from "@/gql/graphql";

export const BuyDocument = graphql(`
  query Buy($poolId: ID!) {
    creditBands {
      minCredits
      discountRate
      bonusRate
      unitPrice {
        amount
        currency
      }
    }
    pool(id: $poolId) {
      id
      name
      canPurchase: viewerCan(permission: PURCHASE_CREDITS)
      owner {
        id
        displayName
        email
      }
      members(first: 100) {
        nodes {
          id
          status
          permissions
          user {
            id
            displayName
            email
          }
        }
      }
    }
  }
`);

export const QuoteDocument = graphql(`
  query Quote($poolId: ID!, $credits: Decimal!) {
    creditQuote(poolId: $poolId, credits: $credits) {
      quote {
        ...Quote
      }
      userErrors {
        code
        message
      }
    }
  }

  fragment Quote on CreditQuote {
    id
    credits
    base {
      amount
      currency
    }
    discount {
      amount
      currency
    }
    total {
      amount
      currency
    }
    unitPrice {
      amount
      currency
    }
    bonusCredits
    totalCredits
    band {
      minCredits
      discountRate
      bonusRate
    }
    betterQuantity {
      credits
      total {
        amount
        currency
      }
      totalCredits
    }
    expiresAt
  }
`);

export const PurchaseDocument = graphql(`
  mutation BuyCredits($quoteId: ID!, $paymentMethodId: ID!, $idempotencyKey: UUID!) {
    creditsPurchase(quoteId: $quoteId, paymentMethodId: $paymentMethodId, idempotencyKey: $idempotencyKey) {
      purchase {
        ...Purchase
      }
      userErrors {
        code
        message
      }
    }
  }

  fragment Purchase on CreditPurchase {
    id
    status
    credits
    bonusCredits
    totalCredits
    unitPrice {
      amount
      currency
    }
    discount {
      amount
      currency
    }
    total {
      amount
      currency
    }
    receiptUrl
    failureReason
    nextActionUrl
    purchasedBy {
      id
      displayName
    }
    createdAt
    completedAt
  }
`);

export const ReceiptDocument = graphql(`
  query Receipt($purchaseId: ID!) {
    node(id: $purchaseId) {
      __typename
      id
      ... on CreditPurchase {
        ...Purchase
        pool {
          id
          name
          balance {
            ...Balance
          }
        }
      }
    }
  }
`);

export type Quote = QuoteFragment;
export type Purchase = PurchaseFragment;

/** Statuses that change no more without anybody doing something. */
export const finalStatuses: ReadonlySet<PurchaseStatus> = new Set<PurchaseStatus>([
  "COMPLETED",
  "FAILED",
  "REFUNDED",
  "PARTIALLY_REFUNDED",
]);
