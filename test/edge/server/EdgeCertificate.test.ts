import { chmodSync, copyFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { connect as connectPlainly, type Socket } from "node:net"
import { connect, type TLSSocket } from "node:tls"
import { once } from "node:events"
import type { HttpBindings } from "@hono/node-server"
import { Hono } from "hono"
import { Effect, Exit, References, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { httpWaits, serveHttp } from "../../../src/edge/server/HttpServer.ts"
import { failureOf } from "../../../src/runtime/ExitFailure.ts"
import { needs } from "../../../src/harness/system/Requirement.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../../src/harness/system/TestProcess.ts"
import { Certificates, opensslNeeded } from "../../support/Certificates.ts"

describe("an edge that speaks TLS", needs(opensslNeeded), () => {
  let made: Certificates
  let scope: Scope.Closeable
  beforeEach(() => {
    made = new Certificates()
    scope = Effect.runSync(Scope.make())
  })
  afterEach(async () => {
    await Effect.runPromise(Effect.provideService(Scope.close(scope, Exit.void), References.MinimumLogLevel, "Fatal"))
    made.remove()
  })

  const app = new Hono().get("/livez", (http) => http.text("alive"))
  const serving = (certificate: string, key: string, served = app, waits: Partial<typeof httpWaits> = {}) =>
    Effect.runPromiseExit(
      serveHttp(served, "127.0.0.1", 0, { ...httpWaits, ...waits }, { certificate: { certificate, key } }).pipe(
        Scope.provide(scope),
        Effect.provideService(References.MinimumLogLevel, "Fatal")
      )
    )
  const portOf = (exit: Awaited<ReturnType<typeof serving>>): number => {
    if (Exit.isSuccess(exit)) return exit.value
    throw failureOf(exit)
  }

  const refusalOf = async (certificate: string, key: string): Promise<string | undefined> => {
    const exit = await serving(certificate, key)
    return Exit.isSuccess(exit) ? undefined : failureOf(exit)?.message
  }

  const handshake = async (port: number, options: object = {}): Promise<TLSSocket> => {
    const socket = connect({ port, host: "127.0.0.1", ca: readFileSync(made.authority), ...options })
    await once(socket, "secureConnect")
    return socket
  }
  const subjectAt = async (port: number): Promise<unknown> => {
    const socket = await handshake(port)
    const { CN } = socket.getPeerCertificate().subject
    socket.destroy()
    return CN
  }

  it("an edge answers over TLS, and tells browsers to stay with TLS", async () => {
    const { certificate, key } = made.make("edge")
    const socket = await handshake(portOf(await serving(certificate, key)))
    socket.write("GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    let answer = ""
    for await (const chunk of socket) answer += String(chunk)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toContain("strict-transport-security: max-age=31536000")
  })

  it("an edge refuses TLS 1.1, and takes TLS 1.2", async () => {
    const { certificate, key } = made.make("edge")
    const port = portOf(await serving(certificate, key))
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }
    await expect(handshake(port, old)).rejects.toThrow(/protocol version|PROTOCOL_VERSION/i)
    const socket = await handshake(port, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" })
    expect(socket.getProtocol()).toBe("TLSv1.2")
    socket.destroy()
  })

  it("after SIGHUP an edge uses the new certificate, or keeps the former certificate if the new one is wrong", async () => {
    const files = { certificate: join(made.directory, "current.crt"), key: join(made.directory, "current.key") }
    const take = (name: string) => {
      const { certificate, key } = made.make(name)
      copyFileSync(certificate, files.certificate)
      copyFileSync(key, files.key)
      chmodSync(files.key, 0o600)
    }
    take("first")
    const port = portOf(await serving(files.certificate, files.key))
    expect(await subjectAt(port)).toBe("first")
    take("second")
    expect(await subjectAt(port)).toBe("first")
    process.emit("SIGHUP")
    await until("the new certificate is used", async () => (await subjectAt(port)) === "second")
    copyFileSync(made.make("third").certificate, files.certificate)
    process.emit("SIGHUP")
    chmodSync(files.key, 0o644)
    process.emit("SIGHUP")
    expect(await subjectAt(port)).toBe("second")
  })

  it("an edge does not start if other users may read its key file, or if the key does not fit the certificate", async () => {
    const { certificate, key } = made.make("edge")
    const other = made.make("other")
    expect(await refusalOf(certificate, other.key)).toContain("cannot be used")
    chmodSync(key, 0o640)
    expect(await refusalOf(certificate, key)).toBe(
      `The setting TLS_KEY_FILE names ${key}, which users other than its owner may read. Run: chmod 600 ${key}`
    )
  })

  it("an edge ends a connection whose caller takes nothing of the answer, and keeps it if the caller reads", async () => {
    const { certificate, key } = made.make("edge")
    const answerBytes = 20_000_000
    const answering: Array<Socket> = []
    const large = new Hono<{ Bindings: HttpBindings }>().get("/", (http) => {
      answering.push(http.env.outgoing.socket as Socket)
      return http.text("x".repeat(answerBytes))
    })
    const port = portOf(await serving(certificate, key, large as unknown as Hono, { answer: 200, check: 50 }))
    const ask = async () => {
      const socket = await handshake(port)
      socket.on("error", () => undefined)
      socket.write("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
      return socket
    }
    const received = async (socket: TLSSocket): Promise<number> => {
      let bytes = 0
      socket.on("data", (chunk: Buffer) => void (bytes += chunk.length)).resume()
      if (!socket.closed) await new Promise<void>((resolve) => socket.once("close", () => resolve()))
      return bytes
    }
    const reading = await ask()
    expect(await received(reading)).toBeGreaterThan(answerBytes)
    const stuck = await ask()
    stuck.pause()
    await until("the edge has ended the connection", async () => answering[1]?.destroyed === true)
    expect(await received(stuck)).toBeLessThan(answerBytes)
  })

  it("an edge that speaks TLS ends a connection that begins no handshake", async () => {
    const { certificate, key } = made.make("edge")
    const port = portOf(await serving(certificate, key, app, { headers: 200, check: 50 }))
    const socket = connectPlainly(port, "127.0.0.1")
    socket.on("error", () => undefined)
    socket.resume()
    await once(socket, "close")
  })

  it("a certificate without its key is refused with the name of the setting", async () => {
    const edge = new TestProcess("edge", { NATS_URL: "nats://127.0.0.1:1", TLS_CERT_FILE: "a.crt" })
    expect((await edge.ended).code).toBe(1)
    expect(edge.output).toContain("Set both TLS_CERT_FILE and TLS_KEY_FILE, or neither.")
  })
})
