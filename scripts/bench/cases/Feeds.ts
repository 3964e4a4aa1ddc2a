import type { Case, Measurement } from "../Case.ts"
import { FeedReaders } from "../FeedReaders.ts"
import { latencyMeasurements } from "../Latency.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"
import { userAt } from "../Workload.ts"

const readers = 2_000
const stuck = 200
const users = 1_000
const perSecond = 200
const seconds = 5
const part = perSecond * seconds
const parts = 4
const workload = { purchases: parts * part, users, repeatEvery: 0 }

/**
 * Measures posts without readers of feeds, with readers of one user's feed each, and with readers of the feed of all
 * users.
 */
export const feeds: Case = {
  name: "feeds",
  about: `${perSecond} posts/s until applied, without readers, beside ${readers} readers of a user each, ${readers} of everything, and ${stuck} stuck ones`,
  isLong: false,
  run: async ({ startSystem, progress }) => {
    const system = await startSystem({ usesEdge: true })
    const load = new LoadProcess(system, progress)
    const measurements: Array<Measurement> = []
    const wrong: Array<string> = []
    const notes: Array<string> = []
    const post = async (name: string, index: number) => {
      const range = { from: index * part, to: (index + 1) * part }
      const {
        posts,
        spent,
        wrong: failed
      } = await load.run({
        workload,
        posts: { ...range, pace: { perSecond }, until: "applied" }
      })
      measurements.push(...latencyMeasurements(name, posts, spent))
      wrong.push(...failed)
    }
    const beside = async (name: string, index: number, paths: ReadonlyArray<string>, stuckOnes: number) => {
      progress.show(`opening ${paths.length} feeds`)
      const opened = await FeedReaders.open(system.edgeUrl, paths, stuckOnes)
      const ofAll = paths.filter((path) => path === "/feed").length
      const taking = ofAll === 0 ? paths.length / users : ofAll - stuckOnes
      await post(name, index)
      // At the rate of this case, nearly every purchase is in a commit without another purchase of the same user.
      await opened.haveAll(Math.floor(taking * part * 0.9))
      notes.push(`${name}: ${opened.total.toLocaleString("en")} events were read`)
      if (opened.lost > stuckOnes) wrong.push(`${name}: ${opened.lost} feeds ended`)
      await opened.close()
    }
    await post("post without feeds", 0)
    const ofUsers = Array.from({ length: readers }, (_, index) => `/users/${userAt(index % users)}/feed`)
    await beside(`post beside ${readers} feeds of users`, 1, ofUsers, 0)
    const everything = Array.from({ length: readers }, () => "/feed")
    await beside(`post beside ${readers} feeds of all`, 2, everything, 0)
    await beside(`post beside ${stuck} stuck feeds`, 3, everything.slice(0, stuck + 1), stuck)
    wrong.push(...(await wrongLedger(system, totalsOfWorkload(workload))))
    return { measurements, wrong, notes }
  }
}
