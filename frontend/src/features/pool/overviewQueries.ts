import { graphql } from "@/gql";
import type { OverviewQuery } from "@/gql/graphql";

export const membersPerPage = 25;
export const entriesPerPage = 20;

export const OverviewDocument = graphql(`
  query Overview($poolId: ID!, $members: Int!, $entries: Int!) {
    pool(id: $poolId) {
      id
      name
      kind
      timeZone
      owner {
        id
        displayName
        email
      }
      balance {
        ...Balance
      }
      subscription {
        id
        status
        cycle
        currentPeriodEnd
        cancelAtPeriodEnd
        tier {
          id
          displayName
          pricing {
            perUser
            maxUsers
          }
        }
        seats {
          purchased
          used
          pending
        }
        recurringTotal {
          amount
          currency
        }
      }
      viewerMembership {
        ...MemberRow
      }
      canPurchase: viewerCan(permission: PURCHASE_CREDITS)
      canViewOthers: viewerCan(permission: VIEW_OTHER_USAGE)
      members(first: $members) {
        nodes {
          ...MemberRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
        totalCount
      }
      transactions(first: $entries) {
        nodes {
          ...LedgerEntry
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }

  fragment Balance on PoolBalance {
    available
    reserved
    total
    shortfall
    buckets {
      bucket
      granted
      remaining
      resetsAt
    }
  }

  fragment MemberRow on PoolMember {
    id
    role
    status
    user {
      id
      displayName
      email
    }
    limits {
      dailyCredits
      monthlyCredits
      maxCreditsPerRequest
    }
    usage {
      today
      thisWeek
      thisMonth
      allTime
      remainingToday
      remainingThisMonth
    }
  }

  fragment LedgerEntry on CreditTransaction {
    id
    kind
    amount
    balanceAfter
    bucket
    user {
      id
      displayName
    }
    modelId
    inputTokens
    outputTokens
    description
    createdAt
  }
`);

export const MoreMembersDocument = graphql(`
  query MoreMembers($poolId: ID!, $first: Int!, $after: String!) {
    pool(id: $poolId) {
      id
      members(first: $first, after: $after) {
        nodes {
          ...MemberRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export const MoreEntriesDocument = graphql(`
  query MoreEntries($poolId: ID!, $first: Int!, $after: String!) {
    pool(id: $poolId) {
      id
      transactions(first: $first, after: $after) {
        nodes {
          ...LedgerEntry
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export type Pool = NonNullable<OverviewQuery["pool"]>;
