import { backTestRoutes } from "../alerts/backTest.ts"
import { auditRoutes } from "../access/audit.ts"
import { alertRoutes } from "../alerts/routes.ts"
import { exportRoutes } from "../account/export.ts"
import type { Route } from "../route/Route.ts"
import { legacyRoutes } from "../legacy/routes.ts"
import { dashboardRoutes } from "../dashboard/routes.ts"
import { documentRoutes } from "../service/documents.ts"
import { feedRoutes } from "../feed/routes.ts"
import { metricsRoutes } from "../service/metrics.ts"
import { probeRoutes } from "../service/probes.ts"
import { purchaseRoutes } from "../posting/routes.ts"
import { rejectedRoutes } from "../rejected/routes.ts"
import { reversalRoutes } from "../reversal/routes.ts"
import { ruleRoutes } from "../rules/routes.ts"
import { sessionRoutes } from "../access/routes.ts"
import { spendingRoutes } from "../account/spending.ts"
import { statusRoutes } from "../service/status.ts"
import { webhookRoutes } from "../webhook/routes.ts"
import { listRoutes } from "../account/users.ts"
import { userRoutes } from "../account/routes.ts"

/** Returns the given routes, followed by the routes that describe the whole list. */
const described = (listed: ReadonlyArray<Route>): ReadonlyArray<Route> => {
  const all: ReadonlyArray<Route> = [...listed, ...documentRoutes(() => all)]
  return all
}

const listed: ReadonlyArray<Route> = [
  ...purchaseRoutes,
  ...reversalRoutes,
  ...userRoutes,
  ...listRoutes,
  ...exportRoutes,
  ...spendingRoutes,
  ...backTestRoutes,
  ...ruleRoutes,
  ...alertRoutes,
  ...webhookRoutes,
  ...rejectedRoutes,
  ...feedRoutes,
  ...legacyRoutes,
  ...probeRoutes,
  ...statusRoutes,
  ...auditRoutes,
  ...metricsRoutes,
  ...dashboardRoutes,
  ...sessionRoutes
]

/** Every route, in the order of the list at `/` and of the OpenAPI document. */
export const routes = described(listed)

/** Every route except those that store by GET. */
export const routesWithoutStoringGets = described(listed.filter(({ method, stores }) => method !== "GET" || !stores))
