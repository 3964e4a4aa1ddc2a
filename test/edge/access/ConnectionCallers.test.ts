import { describe, expect, it } from "vitest"
import { type Caller, everybody } from "../../../src/edge/access/Caller.ts"
import { ConnectionCallers } from "../../../src/edge/access/ConnectionCallers.ts"

const header = "Bearer pl_0123456789ab_secret"

describe("the callers of connections", () => {
  it("a caller is found only on its own connection, and only with the same header", () => {
    const callers = new ConnectionCallers()
    const [one, other] = [{}, {}]
    callers.keep(one, header, everybody)
    expect(callers.find(one, header)).toBe(everybody)
    expect(callers.find(other, header)).toBeUndefined()
    for (const wrong of ["", header.slice(1), `${header}x`, header.replace("secret", "secreu"), header.toLowerCase()]) {
      expect(callers.find(one, wrong)).toBeUndefined()
    }
  })

  it("a caller whose rights have changed is not found", () => {
    let isCurrent = true
    const caller: Caller = { ...everybody, isCurrent: () => isCurrent }
    const callers = new ConnectionCallers()
    const connection = {}
    callers.keep(connection, header, caller)
    isCurrent = false
    expect(callers.find(connection, header)).toBeUndefined()
  })

  it("the newest caller of a connection replaces the caller before it", () => {
    const callers = new ConnectionCallers()
    const connection = {}
    const ann: Caller = { ...everybody, id: "ann" }
    callers.keep(connection, header, everybody)
    callers.keep(connection, "Bearer other", ann)
    expect(callers.find(connection, "Bearer other")).toBe(ann)
    expect(callers.find(connection, header)).toBeUndefined()
  })
})
