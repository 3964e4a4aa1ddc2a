import type { Route } from "./Route.ts"
import { legacyRoutes } from "./routes/legacy.ts"
import { dashboardRoutes } from "./routes/dashboard.ts"
import { documentRoutes } from "./routes/documents.ts"
import { feedRoutes } from "./routes/feed.ts"
import { metricsRoutes } from "./routes/metrics.ts"
import { probeRoutes } from "./routes/probes.ts"
import { purchaseRoutes } from "./routes/purchases.ts"
import { rejectedRoutes } from "./routes/rejected.ts"
import { spendingRoutes } from "./routes/spending.ts"
import { statusRoutes } from "./routes/status.ts"
import { userRoutes } from "./routes/users.ts"

/** Every route, in the order of the list at `/` and of the document. */
export const routes: ReadonlyArray<Route> = [
  ...purchaseRoutes,
  ...userRoutes,
  ...spendingRoutes,
  ...rejectedRoutes,
  ...feedRoutes,
  ...legacyRoutes,
  ...probeRoutes,
  ...statusRoutes,
  ...metricsRoutes,
  ...dashboardRoutes,
  ...documentRoutes(() => routes)
]
