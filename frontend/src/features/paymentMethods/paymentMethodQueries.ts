import { graphql } from "@/gql";
import type { PaymentMethodFragment } from "@/gql/graphql";

export const PaymentMethodsDocument = graphql(`
  query PaymentMethods($poolId: ID!) {
    pool(id: $poolId) {
      id
      name
      canAdd: viewerCan(permission: PURCHASE_CREDITS)
      canChange: viewerCan(permission: MODIFY_SETTINGS)
      paymentMethods {
        ...PaymentMethod
      }
    }
  }

  fragment PaymentMethod on PaymentMethod {
    id
    brand
    last4
    expiresOn
    expiry
    isDefault
    usedBy
  }
`);

export const SetupDocument = graphql(`
  mutation SetupPaymentMethod($poolId: ID!) {
    paymentMethodSetup(poolId: $poolId) {
      setup {
        id
      }
      clientSecret
      userErrors {
        code
        message
      }
    }
  }
`);

export const FinishSetupDocument = graphql(`
  mutation FinishPaymentMethodSetup($id: ID!) {
    paymentMethodSetupFinish(id: $id) {
      setup {
        id
        status
        nextActionUrl
        failureReason
      }
      pool {
        id
        paymentMethods {
          ...PaymentMethod
        }
      }
      userErrors {
        code
        message
      }
    }
  }
`);

export const MakeDefaultDocument = graphql(`
  mutation MakePaymentMethodDefault($id: ID!) {
    paymentMethodMakeDefault(id: $id) {
      pool {
        id
        paymentMethods {
          ...PaymentMethod
        }
      }
      userErrors {
        code
        message
      }
    }
  }
`);

export const RemoveDocument = graphql(`
  mutation RemovePaymentMethod($id: ID!) {
    paymentMethodRemove(id: $id) {
      pool {
        id
        paymentMethods {
          ...PaymentMethod
        }
      }
      userErrors {
        code
        message
      }
    }
  }
`);

export type PaymentMethod = PaymentMethodFragment;
