import { spawn } from "node:child_process"
import { once } from "node:events"
import { accessSync, chmodSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Requirement } from "../../src/harness/system/Requirement.ts"
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

/** Runs nginx with the file of the documentation. Only its two ports are changed. */
export const startNginx = async (edgePort: number) => {
  if (path === undefined) throw new Error(nginxNeeded.remedy)
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), "nginx-"))
  // The workers of nginx may run as another user.
  chmodSync(folder, 0o755)
  const file = join(folder, "nginx.conf")
  const documented = readFileSync(join(projectRoot, "docs/nginx.conf"), "utf8")
  writeFileSync(
    file,
    documented.replace("server 127.0.0.1:8081;", `server 127.0.0.1:${edgePort};`).replace(":8080;", `:${port};`)
  )
  const child = spawn(path, ["-p", `${folder}/`, "-c", file, "-e", "stderr", "-g", "daemon off;"], {
    stdio: ["ignore", "ignore", "pipe"]
  })
  const ended = once(child, "exit")
  let said = ""
  child.stderr.on("data", (chunk) => (said += String(chunk)))
  const origin = `http://127.0.0.1:${port}`
  await until("nginx listens", async () => {
    if (child.exitCode !== null) throw new Error(said)
    return fetch(`${origin}/elsewhere`).then(
      () => true,
      () => false
    )
  })
  return {
    port,
    url: `${origin}/ledger`,
    stop: async () => {
      child.kill("SIGTERM")
      await ended
      rmSync(folder, { recursive: true })
    }
  }
}
