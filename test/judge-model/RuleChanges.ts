/**
 * A model of changes of rules: two edges, each with one request at a time, change the one value that has all rules of
 * an owner. A request reads the value, and writes the value with its change. The write expects that the message which
 * was read is still the newest. Clients send a request again until it is answered.
 */
import type { Step, System } from "../support/Explorer.ts"

/**
 * A request of the script. The order of the requests does not matter, because no two requests are about the same rule.
 */
interface Request {
  readonly does: "put" | "delete"
  readonly rule: string
}

interface Value {
  /** The number of the message among the messages of the key, which stands for its sequence. */
  readonly number: number
  readonly rules: ReadonlyArray<string>
}

interface Write {
  readonly after: number
  readonly rules: ReadonlyArray<string>
}

interface Shared {
  readonly value: Value
  /** The requests that no edge has taken yet. `answered` has the requests that were answered. */
  readonly waiting: ReadonlyArray<Request>
  readonly answered: ReadonlyArray<Request>
  readonly late: ReadonlyArray<Write>
}

interface Edge {
  readonly request: Request | undefined
  readonly read: Value | undefined
  readonly write: Write | undefined
  readonly isStored: boolean
}

export type RuleChangeMistake = "change without compare-and-set" | "unknown taken for success"

type EdgeStep = Step<Shared, Edge>

const idleEdge: Edge = { request: undefined, read: undefined, write: undefined, isStored: false }

const changed = (rules: ReadonlyArray<string>, { does, rule }: Request): ReadonlyArray<string> => {
  const others = rules.filter((one) => one !== rule)
  return does === "put" ? [...others, rule].toSorted() : others
}

const store = (shared: Shared, { rules }: Write): Shared => ({
  ...shared,
  value: { number: shared.value.number + 1, rules }
})

const nameOf = ({ does, rule }: Request): string => `${does} of ${rule}`

const answer = (shared: Shared, request: Request): EdgeStep => ({
  name: `answers the ${nameOf(request)}`,
  shared: {
    ...shared,
    answered: [...shared.answered, request].toSorted((one, other) => (one.rule < other.rule ? -1 : 1))
  },
  worker: idleEdge
})

/** Makes an edge take a request. A request whose answer is unknown is sent again. */
const take = (shared: Shared): ReadonlyArray<EdgeStep> =>
  shared.waiting.map((request, index) => ({
    name: `gets the ${nameOf(request)}`,
    shared: { ...shared, waiting: shared.waiting.toSpliced(index, 1) },
    worker: { ...idleEdge, request }
  }))

const lateMax = 2

const unknown = (shared: Shared, edge: Edge, write: Write, request: Request, isSuccess: boolean): EdgeStep => {
  const left = edge.isStored || shared.late.length >= lateMax ? shared : { ...shared, late: [...shared.late, write] }
  const step: EdgeStep = {
    name: "gets no answer to its write",
    shared: left,
    worker: { ...idleEdge, request },
    fault: true
  }
  return isSuccess ? { ...answer(left, request), name: "takes no answer for success", fault: true } : step
}

const steps = (mistake: RuleChangeMistake | undefined, shared: Shared, edge: Edge): ReadonlyArray<EdgeStep> => {
  const { request, read, write, isStored } = edge
  if (request === undefined) return take(shared)
  if (read === undefined) {
    const { value } = shared
    const isDone = changed(value.rules, request).join() === value.rules.join()
    return [isDone ? answer(shared, request) : { name: "reads the value", shared, worker: { ...edge, read: value } }]
  }
  if (write === undefined) {
    const sent = { after: read.number, rules: changed(read.rules, request) }
    return [{ name: `sends the ${nameOf(request)}`, shared, worker: { ...edge, write: sent } }]
  }
  const isAccepted = mistake === "change without compare-and-set" || write.after === shared.value.number
  const gone = unknown(shared, edge, write, request, mistake === "unknown taken for success")
  if (isStored) return [answer(shared, request), gone]
  return isAccepted
    ? [{ name: "has its write stored", shared: store(shared, write), worker: { ...edge, isStored: true } }, gone]
    : [{ name: "has its write refused", shared, worker: { ...idleEdge, request } }, gone]
}

/**
 * Checks the change of each answered request. The check may look at one request alone, because no other request of the
 * script is about the same rule.
 */
const brokenInvariants = ({ value, answered }: Shared): ReadonlyArray<string> =>
  answered.some(({ does, rule }) => value.rules.includes(rule) !== (does === "put")) ? ["A5"] : []

/** Makes the model of two edges that change the rules of one owner. */
export const ruleChanges = (
  first: ReadonlyArray<string>,
  requests: ReadonlyArray<Request>,
  mistake?: RuleChangeMistake
): System<Shared, Edge> => ({
  initial: { value: { number: 0, rules: first }, waiting: requests, answered: [], late: [] },
  idle: idleEdge,
  workerName: "edge",
  environment: (shared) =>
    shared.late.map((write, index) => {
      const others = { ...shared, late: shared.late.toSpliced(index, 1) }
      const isAccepted = mistake === "change without compare-and-set" || write.after === shared.value.number
      return isAccepted
        ? { name: "a late write is stored", shared: store(others, write), fault: true }
        : { name: "a late write is refused", shared: others, fault: true }
    }),
  steps: (shared, edge) => steps(mistake, shared, edge),
  disowned: (edge) => edge,
  broken: brokenInvariants,
  isFinished: ({ answered }) => answered.length === requests.length,
  liveness: "A8"
})
