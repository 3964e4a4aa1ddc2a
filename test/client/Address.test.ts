import { describe, expect, it } from "vitest"
import { addressOf } from "../../src/client/Address.ts"
import { WrongUrl } from "../../src/client/Failure.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"

describe("the address of the service", () => {
  it("the address is taken with http or https, and loses the slashes at its end", () => {
    expect(addressOf("http://127.0.0.1:8081")).toBe("http://127.0.0.1:8081")
    expect(addressOf("https://shop.example/ledger//")).toBe("https://shop.example/ledger")
    expect(addressOf("http://[::1]:8081/")).toBe("http://[::1]:8081")
  })

  it("the address is taken without the blanks around it", () => {
    for (const text of ["http://127.0.0.1:8081 ", " http://127.0.0.1:8081", "\thttp://127.0.0.1:8081/\n"]) {
      expect(addressOf(text)).toBe("http://127.0.0.1:8081")
    }
    expect(() => addressOf("  ")).toThrow(WrongUrl)
  })

  it("an address without http:// is refused, and the message says what to write", () => {
    for (const text of ["localhost:8081", "127.0.0.1:8081", "ledger"]) {
      expect(() => addressOf(text)).toThrow(
        new WrongUrl(`"${text}" is not an address of the service: http:// is missing. Write http://${text}`)
      )
    }
  })

  it("a text that is no address is refused, and the message says what is wrong", () => {
    const wrongs = [
      ["", "write one like http://127.0.0.1:8081"],
      ["http://", "write one like http://127.0.0.1:8081"],
      ["ftp://ledger", "it begins with ftp://"],
      ["http://ann:secret@ledger", "leave out the user and the password"],
      ["http://ledger/?page=1", "leave out ? and #"]
    ] as const
    for (const [text, problem] of wrongs) expect(() => addressOf(text)).toThrow(problem)
  })

  it("the address is read when the client is made, before anything is sent", () => {
    expect(() => new PurchaseClient({ url: "localhost:8081" })).toThrow(WrongUrl)
  })
})
