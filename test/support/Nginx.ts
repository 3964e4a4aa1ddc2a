import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Requirement } from "../../src/harness/system/Requirement.ts"
import type { Certificate } from "./Certificates.ts"
import { freePort, projectRoot, until } from "../../src/harness/system/TestBroker.ts"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const findNginx = (): string | undefined => {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]
  return folders.map((folder) => join(folder, "nginx")).find(isProgram)
}

const path = findNginx()

/** The requirement of tests that run the documented nginx. */
export const nginxNeeded: Requirement = {
  tests: "behind nginx",
  missing: path === undefined ? "no nginx" : undefined,
  remedy: "Install Debian's package nginx-light."
}

/** Runs nginx with a configuration, in a folder with further files. */
const run = async (configuration: string, port: number, files: Readonly<Record<string, string>> = {}) => {
  if (path === undefined) throw new Error(nginxNeeded.remedy)
  const folder = mkdtempSync(join(tmpdir(), "nginx-"))
  // The workers of nginx may run as another user.
  chmodSync(folder, 0o755)
  const file = join(folder, "nginx.conf")
  writeFileSync(file, configuration)
  for (const [name, from] of Object.entries(files)) copyFileSync(from, join(folder, name))
  const child = spawn(path, ["-p", `${folder}/`, "-c", file, "-e", "stderr", "-g", "daemon off;"], {
    stdio: ["ignore", "ignore", "pipe"]
  })
  const ended = once(child, "exit")
  let said = ""
  child.stderr.on("data", (chunk) => (said += String(chunk)))
  await until("nginx listens", async () => {
    if (child.exitCode !== null) throw new Error(said)
    return new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false))
      socket.once("connect", () => socket.destroy())
    })
  })
  return {
    port,
    stop: async () => {
      child.kill("SIGTERM")
      await ended
      rmSync(folder, { recursive: true })
    }
  }
}

const configurationOf = (file: string, edgePort: number, documentedPort: number, port: number): string =>
  readFileSync(join(projectRoot, file), "utf8")
    .replace("server 127.0.0.1:8081;", `server 127.0.0.1:${edgePort};`)
    .replace(`:${documentedPort}`, `:${port}`)

/** Runs nginx with the file of the documentation. Only the two ports in the file are changed. */
export const startNginx = async (edgePort: number) => {
  const port = await freePort()
  const proxy = await run(configurationOf("docs/nginx.conf", edgePort, 8_080, port), port)
  return { ...proxy, url: `http://127.0.0.1:${port}/ledger` }
}

/** Runs nginx with the file of deploy/, which ends TLS. Only the two ports in the file are changed. */
export const startTlsNginx = async (edgePort: number, { certificate, key }: Certificate) => {
  const port = await freePort()
  const files = { "tls.crt": certificate, "tls.key": key }
  return run(configurationOf("deploy/nginx-tls.conf", edgePort, 8_443, port), port, files)
}
