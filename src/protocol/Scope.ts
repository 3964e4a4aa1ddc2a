/** Each scope, with the requests that a caller may send if its token has the scope. */
export const scopes = {
  "purchases:write": "Store purchases and reversals.",
  "users:read": "Read totals, histories, receipts and spending of users.",
  "users:list": "List all users with their totals and counts.",
  "feed:read": "Follow purchases as they are applied.",
  "rejected:read": "Read rejected records.",
  "rejected:replay": "Send corrected purchases instead of rejected records.",
  generate: "Store random purchases and copies of a purchase in bulk.",
  "status:read": "Read the state of the system.",
  "metrics:read": "Read the metrics.",
  "audit:read": "Read the audit records of changes.",
  "rules:read": "Read rules.",
  "rules:write": "Create, change and remove rules.",
  "alerts:read": "Read and follow alerts.",
  "alerts:write": "Acknowledge and change alerts.",
  "webhooks:read": "Read webhooks and their deliveries.",
  "webhooks:write": "Create, change, test and remove webhooks."
} as const

/** The name of a right of a caller. A token has a list of scopes, and each route that is not public needs one scope. */
export type Scope = keyof typeof scopes
