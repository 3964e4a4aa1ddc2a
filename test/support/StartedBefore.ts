import { afterAll, afterEach, beforeAll, beforeEach } from "vitest"

type Ending = { stop(): Promise<void> } | { close(): Promise<void> }

const end = async (started: Ending | undefined): Promise<void> => {
  if (started !== undefined) await ("stop" in started ? started.stop() : started.close())
}

/**
 * Returns an object that stands for the thing that a hook starts. After the start the returned object has all members
 * of the thing.
 */
const standIn = <A extends object>(started: () => A | undefined): A =>
  new Proxy({} as A, {
    get: (_, member) => {
      const current = started()
      if (current === undefined) throw new Error(`${String(member)} is read before a hook has started its owner`)
      const value: unknown = Reflect.get(current, member)
      return typeof value === "function" ? value.bind(current) : value
    }
  })

/** Starts one thing for all tests of this file or `describe`, and ends it after all hooks that come later. */
export const startedBeforeAll = <A extends Ending>(start: () => Promise<A>): A => {
  let started: A | undefined
  beforeAll(async () => void (started = await start()))
  afterAll(() => end(started))
  return standIn(() => started)
}

/** Starts one thing for each test of this file or `describe`, and ends it after all hooks that come later. */
export const startedBeforeEach = <A extends Ending>(start: () => Promise<A>): A => {
  let started: A | undefined
  beforeEach(async () => void (started = await start()))
  afterEach(async () => {
    await end(started)
    started = undefined
  })
  return standIn(() => started)
}
