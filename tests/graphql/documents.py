"""Documents that several tests send."""

POOL = """
query Pool($id: ID!) { pool(id: $id) {
  id name kind version timeZone owner { id email displayName }
  balance { available reserved total shortfall asOf buckets { bucket granted remaining resetsAt } }
  subscription { id status cycle cancelAtPeriodEnd currentPeriodEnd recurringTotal { amount currency }
    tier { code } seats { purchased used pending } }
  settings {
    autoPurchase { enabled thresholdCredits purchaseCredits monthlyCapCredits spentThisMonth { amount currency } }
    notifications { lowBalanceThreshold recipients summary unusualUsageAlerts }
    accessControl { approvalRequiredAbove blockedModels allowedModels }
    family { parentalControls contentFiltering underageMembers { id user { email } } } }
  viewerMembership { id role }
  members { totalCount nodes { id role status permissions user { email } viewerCanUpdate lastActiveAt joinedAt
    limits { dailyCredits monthlyCredits maxCreditsPerRequest }
    usage { today thisWeek thisMonth allTime remainingToday remainingThisMonth } } }
  transactions { nodes { id sequence kind bucket amount balanceAfter user { email } } }
  purchases { nodes { id total { amount } purchasedBy { email } } }
} }
"""

MEMBERS = """
query Members($id: ID!, $first: Int!, $after: String) { pool(id: $id) { page: members(first: $first, after: $after) {
  totalCount
  nodes { id role status permissions user { id email displayName } viewerCanUpdate pool { id name }
    limits { dailyCredits } usage { today thisWeek thisMonth allTime } }
  edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }
"""

TRANSACTIONS = """
query Transactions($id: ID!, $first: Int!, $after: String) { pool(id: $id) {
  page: transactions(first: $first, after: $after) {
    nodes { id sequence kind bucket amount balanceAfter user { id email } modelId description createdAt }
    edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }
"""

PURCHASES = """
query Purchases($id: ID!, $first: Int!, $after: String) { pool(id: $id) {
  page: purchases(first: $first, after: $after) {
    nodes { id status credits bonusCredits totalCredits unitPrice { amount currency } discount { amount } total { amount }
      base { amount } refunded { amount } card isAutomatic receiptUrl failureReason nextActionUrl
      progress { title explanation nextStep nextStepBy } timeline { kind title detail at }
      refundable { amount } viewerCanRequestRefund refunds { id status explanation } disputes { id state }
      purchasedBy { id email } createdAt completedAt }
    edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }
"""

MONEY_BACK = """
query MoneyBack($id: ID!) { pool(id: $id) { purchases(first: 5) { nodes { id status
  refunded { amount } refundable { amount } viewerCanRequestRefund refundRequest { id status } timeline { kind title detail at }
  refunds { id status origin amount { amount } reason explanation creditsTaken createdAt decidedAt succeededAt failedAt }
  disputes { id state reason amount { amount } withdrawn { amount } explanation openedAt } } } } }
"""

MEMBERSHIPS = """
query Memberships { viewer { user { id email } tenant { id name } locale timeZone memberships { id role pool {
  id name balance { total } subscription { tier { code } seats { used pending } }
  settings { family { underageMembers { id } } }
  viewerMembership { id }
  members(first: 3) { totalCount nodes { id user { email } } }
  transactions(first: 3) { nodes { id user { email } } }
  purchases(first: 3) { nodes { id purchasedBy { email } } } } } } }
"""

NODE = "query Node($id: ID!) { node(id: $id) { __typename id } }"

QUOTE = """
query Quote($pool: ID!, $credits: Decimal!) { creditQuote(poolId: $pool, credits: $credits) {
  quote { id credits base { amount currency } discount { amount } total { amount currency } unitPrice { amount }
    bonusCredits totalCredits band { minCredits discountRate bonusRate unitPrice { amount } }
    nextBand { minCredits discountRate } betterQuantity { credits total { amount } totalCredits } expiresAt }
  userErrors { code path message messageKey } } }
"""

PURCHASE = """
mutation Purchase($quote: ID!, $method: ID!, $key: UUID!) {
  creditsPurchase(quoteId: $quote, paymentMethodId: $method, idempotencyKey: $key) {
    purchase { id status credits totalCredits total { amount } failureReason nextActionUrl receiptUrl }
    userErrors { code path message messageKey } } }
"""

LIMITS = """
mutation Limits($id: ID!, $limits: LimitsInput!) { memberLimitsUpdate(id: $id, limits: $limits) {
  member { id limits { dailyCredits monthlyCredits maxCreditsPerRequest } usage { remainingToday remainingThisMonth } }
  userErrors { code path message messageKey } } }
"""

PERMISSIONS = """
mutation Permissions($id: ID!, $permissions: [PoolPermission!]!) {
  memberPermissionsUpdate(id: $id, permissions: $permissions) {
    member { id permissions } userErrors { code path message messageKey } } }
"""

SETTINGS = """
mutation Settings($pool: ID!, $version: Int!, $patch: SettingsPatch!) {
  poolSettingsUpdate(poolId: $pool, version: $version, patch: $patch) {
    pool { version settings {
      notifications { lowBalanceThreshold recipients summary unusualUsageAlerts }
      accessControl { approvalRequiredAbove blockedModels allowedModels }
      family { parentalControls contentFiltering underageMembers { id } } } }
    userErrors { code path message messageKey } } }
"""
