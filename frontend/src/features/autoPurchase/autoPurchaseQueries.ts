import { graphql } from "@/gql";
import type { AutoPurchaseCardFragment, AutoPurchaseFragment, AutoPurchasePoolFragment } from "@/gql/graphql";

export const AutoPurchaseDocument = graphql(`
  query AutoPurchase($poolId: ID!) {
    pool(id: $poolId) {
      ...AutoPurchasePool
    }
  }

  fragment AutoPurchasePool on CreditPool {
    id
    version
    balance {
      available
    }
    paymentMethods {
      ...AutoPurchaseCard
    }
    settings {
      autoPurchase {
        ...AutoPurchase
      }
    }
  }

  fragment AutoPurchaseCard on PaymentMethod {
    id
    brand
    last4
    expiry
    isDefault
  }

  fragment AutoPurchase on AutoPurchaseSettings {
    enabled
    state
    stop
    advice
    thresholdCredits
    purchaseCredits
    monthlyCapCredits
    monthlyCap {
      amount
      currency
    }
    creditsThisMonth
    spentThisMonth {
      amount
      currency
    }
    purchasesThisMonth
    monthEndsAt
    retryAfter
    notifyOnPurchase
    recipients
    viewerCanUpdate
    paymentMethod {
      id
      brand
      last4
    }
  }
`);

export const AutoPurchaseUpdateDocument = graphql(`
  mutation AutoPurchaseUpdate($poolId: ID!, $version: Int!, $autoPurchase: AutoPurchaseInput!) {
    poolSettingsUpdate(poolId: $poolId, version: $version, patch: { autoPurchase: $autoPurchase }) {
      pool {
        ...AutoPurchasePool
      }
      userErrors {
        code
        path
        message
      }
    }
  }
`);

export type AutoPurchase = AutoPurchaseFragment;
export type AutoPurchasePool = AutoPurchasePoolFragment;
export type AutoPurchaseCard = AutoPurchaseCardFragment;
