import { Effect } from "effect"
import { expect, it } from "vitest"
import { ConnectionState } from "../../src/nats/client/ConnectionState.ts"
import { type WorkerSign, WorkerBucket } from "../../src/nats/WorkerBucket.ts"
import { onBoth, until, usual } from "./OnBoth.ts"

onBoth("signs of life", usual, ({ outcome, chain, heads, input, append, restart }) => {
  const workers = <A, E>(use: (workers: (typeof WorkerBucket)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(WorkerBucket, use))
  const announce = async (worker: string, instance: number) =>
    Number(await workers((signs) => signs.announce(worker, instance)))
  const read = async () => {
    const signs = (await workers(({ read }) => read)) as ReadonlyArray<WorkerSign>
    return signs.map(({ worker, instance }) => `${worker} ${instance}`).sort()
  }

  it("signs of life are numbered, and a read returns the newest sign of life of each worker that has not left", async () => {
    const first = await announce("one", 0)
    expect(await announce("one", first)).toBe(first + 1)
    await announce("two/odd name", 7)
    expect(await read()).toEqual([`one ${first}`, "two/odd name 7"])
    await workers((signs) => signs.leave("one", first))
    expect(await read()).toEqual(["two/odd name 7"])
  })

  it("a watch gets each sign of life when the worker gives it", async () => {
    const heard: Array<string> = []
    await outcome(
      Effect.gen(function* () {
        const signs = yield* WorkerBucket
        yield* signs.watch(({ worker, instance, isLeaving }) => {
          heard.push(`${worker} ${instance} ${isLeaving}`)
        })
        yield* signs.announce("three", 1)
        yield* signs.leave("three", 1)
        yield* until(() => heard.length === 2)
      })
    )
    expect(heard).toEqual(["three 1 false", "three 1 true"])
  })

  it("after a restart of the broker the signs of life are still there, and their sequences continue", async () => {
    const sign = await announce("four", 5)
    const { sequence } = await append("purchases.1.kept", "kept")
    const commit = Number(await chain(({ append }) => append(0, "kept", 0)))
    const manifest = Number(await heads(({ replaceManifest }) => replaceManifest(0, "kept", 0)))
    await restart()
    await outcome(
      Effect.gen(function* () {
        const link = yield* ConnectionState
        yield* until(link.isConnected)
      })
    )
    expect(await read()).toContain("four 5")
    expect(await announce("four", 5)).toBe(sign + 1)
    expect(await chain(({ newest }) => newest(0))).toMatchObject({ sequence: commit, text: "kept" })
    expect(await heads((store) => store.manifest(0))).toEqual({ sequence: manifest, text: "kept" })
    expect(await input((log) => log.lastSequence(1))).toBe(sequence)
    expect(await append("purchases.1.kept", "kept")).toEqual({ sequence, duplicate: true })
  })
})
