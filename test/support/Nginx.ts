import { spawn } from "node:child_process"
import { once } from "node:events"
import { accessSync, chmodSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { freePort, projectRoot, until } from "./TestBroker.ts"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where nginx is, or why it is not there. */
export const findNginx = (): { readonly path: string } | { readonly missing: string } => {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]
  const path = folders.map((folder) => join(folder, "nginx")).find(isProgram)
  return path === undefined ? { missing: "no nginx in PATH; install one (Debian: nginx-light)" } : { path }
}

/** Runs nginx with the file of the documentation, of which only the two ports are others. */
export const startNginx = async (path: string, edgePort: number) => {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), "nginx-"))
  // Its workers may run as another user.
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
