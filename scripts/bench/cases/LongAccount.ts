import type { Case } from "../Case.ts"
import { HttpConnections } from "../HttpConnections.ts"
import { getRequest } from "../HttpRequest.ts"
import { latencyOf } from "../Latency.ts"
import { fill } from "../Throughput.ts"
import { readTotal, totalsOfWorkload, wrongLedger } from "../Totals.ts"
import { repeatEveryUsual, userAt } from "../Workload.ts"

const workload = { purchases: 1_060_000, users: 1, repeatEvery: repeatEveryUsual }
const userId = userAt(0)
/** The number of purchases on a measured page, and on a page that is only read to reach a measured page. */
const pageLimit = 20
const walkLimit = 1_000
const depths = [0, 1_000, 10_000, 100_000, 500_000, 1_000_000]
const pagesMeasured = 50

/** Reads the pages of the history, newest first, and returns the cursor at which each depth begins. */
const placesAt = async (connections: HttpConnections): Promise<Map<number, string>> => {
  const places = new Map<number, string>()
  let walked = 0
  for (let path: string | undefined = `/users/${userId}/purchases?limit=${walkLimit}`; path !== undefined;) {
    const { status, text } = await connections.exchange(getRequest(path))
    if (status !== 200) throw new Error(`${path} answered ${status}: ${text.slice(0, 300)}`)
    if (depths.includes(walked)) places.set(walked, path.replace(`limit=${walkLimit}`, `limit=${pageLimit}`))
    const page: { readonly purchases: ReadonlyArray<unknown>; readonly next?: string } = JSON.parse(text)
    walked += page.purchases.length
    path = page.next
  }
  return places
}

const historyPath = `/users/${userId}/purchases?limit=${pageLimit}`

/** Returns the time at which the purchase at one end of the history was stored, in milliseconds since 1970. */
const storedAtEnd = async (connections: HttpConnections, order: "newest" | "oldest"): Promise<number> => {
  const { text } = await connections.exchange(getRequest(`${historyPath}&order=${order}`))
  const page: { readonly purchases: ReadonlyArray<{ readonly storedAt: string }> } = JSON.parse(text)
  return Date.parse(page.purchases[0]?.storedAt ?? "")
}

/** Returns the paths of pages that begin at dates spread over the whole history, in both orders. No date comes twice. */
const pathsAtDates = async (connections: HttpConnections): Promise<ReadonlyArray<string>> => {
  const first = await storedAtEnd(connections, "oldest")
  const last = await storedAtEnd(connections, "newest")
  return Array.from({ length: pagesMeasured }, (_, index) => {
    const date = new Date(first + ((last - first) * (index + 1)) / (pagesMeasured + 1)).toISOString()
    return index % 2 === 0 ? `${historyPath}&to=${date}` : `${historyPath}&from=${date}&order=oldest`
  })
}

/** Asks for a page, and returns the time in milliseconds until its answer. */
const timeOf = async (connections: HttpConnections, path: string): Promise<number> => {
  const asked = performance.now()
  const { status } = await connections.exchange(getRequest(path))
  const time = performance.now() - asked
  if (status !== 200) throw new Error(`${path} answered ${status}`)
  return time
}

const figuresOf = (name: string, times: Array<number>) => {
  const { p50, p99 } = latencyOf(times)
  return [
    { name: `long-account ${name} p50`, unit: "ms", value: p50 },
    { name: `long-account ${name} p99`, unit: "ms", value: p99 }
  ]
}

/**
 * Measures pages at dates, and once more at the same dates, which the worker then knows. The first page of the history is
 * asked for before each of them, so all kinds find the same machine.
 */
const measureDates = async (connections: HttpConnections) => {
  const newest: Array<number> = []
  const measured = async (paths: ReadonlyArray<string>) => {
    const times: Array<number> = []
    for (const path of paths) {
      newest.push(await timeOf(connections, historyPath))
      times.push(await timeOf(connections, path))
    }
    return times
  }
  const paths = await pathsAtDates(connections)
  const [atDates, again] = [await measured(paths), await measured(paths)]
  return [
    ...figuresOf("first page beside dates", newest),
    ...figuresOf("page at any date", atDates),
    ...figuresOf("page at the same dates again", again)
  ]
}

/**
 * Measures one user with a million purchases: the first read after a restart, and pages of the history at several
 * depths and dates.
 */
export const longAccount: Case = {
  name: "long-account",
  about:
    "a user with 1,000,000 purchases: the first read after a restart, a page of history at several depths and dates",
  isLong: true,
  run: async ({ startSystem, progress }) => {
    const system = await startSystem({ usesEdge: true })
    await fill(system, workload, progress)

    progress.show("waking the account")
    await system.replaceWorker("stop")
    await system.ready()
    const began = performance.now()
    await readTotal(system.edgeUrl, userId)
    const woken = (performance.now() - began) / 1_000

    progress.show("walking through its history")
    const connections = new HttpConnections(system.edgeUrl, 1)
    const places = await placesAt(connections)
    const pages = []
    for (const depth of depths) {
      const path = places.get(depth)
      if (path === undefined) throw new Error(`no page of the history begins at ${depth}`)
      const times: Array<number> = []
      for (let page = 0; page < pagesMeasured; page += 1) {
        times.push(await timeOf(connections, path))
      }
      pages.push(...figuresOf(`page at ${depth.toLocaleString("en")}`, times))
    }
    progress.show("reading pages at dates")
    pages.push(...(await measureDates(connections)))
    connections.close()
    return {
      measurements: [{ name: "long-account wakes", unit: "s", value: woken }, ...pages],
      wrong: await wrongLedger(system, totalsOfWorkload(workload)),
      notes: []
    }
  }
}
