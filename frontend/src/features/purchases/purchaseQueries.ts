import { graphql } from "@/gql";
import type { PurchaseFragment, PurchasePageQuery, PurchaseStatus, QuoteFragment } from "@/gql/graphql";

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
    refunded {
      amount
      currency
    }
    card
    isAutomatic
    receiptUrl
    receiptPdf
    failureReason
    nextActionUrl
    progress {
      title
      explanation
      nextStep
      nextStepBy
    }
    purchasedBy {
      id
      displayName
    }
    createdAt
    completedAt
  }
`);

export const purchasesPerPage = 20;

export const PurchasesDocument = graphql(`
  query Purchases($poolId: ID!, $first: Int!, $after: String) {
    pool(id: $poolId) {
      id
      name
      canPurchase: viewerCan(permission: PURCHASE_CREDITS)
      canViewAll: viewerCan(permission: VIEW_POOL_BALANCE)
      purchases(first: $first, after: $after) {
        nodes {
          ...PurchaseRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }

  fragment PurchaseRow on CreditPurchase {
    id
    status
    credits
    bonusCredits
    total {
      amount
      currency
    }
    isAutomatic
    receiptUrl
    receiptPdf
    purchasedBy {
      id
      displayName
    }
    createdAt
  }
`);

export const PurchasePageDocument = graphql(`
  query PurchasePage($purchaseId: ID!) {
    node(id: $purchaseId) {
      __typename
      id
      ... on CreditPurchase {
        ...Purchase
        ...MoneyBack
        timeline {
          kind
          title
          detail
          at
        }
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
export type PurchaseWithHistory = Extract<PurchasePageQuery["node"], { __typename: "CreditPurchase" }>;

/** Statuses that change no more without anybody doing something. */
export const finalStatuses: ReadonlySet<PurchaseStatus> = new Set<PurchaseStatus>([
  "COMPLETED",
  "FAILED",
  "REFUNDED",
  "PARTIALLY_REFUNDED",
]);
