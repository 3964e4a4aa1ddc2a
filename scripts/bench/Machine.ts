import { execFileSync } from "node:child_process"
import { statfsSync } from "node:fs"
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

const filesystems: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x794c7630: "overlayfs",
  0x01021994: "tmpfs, where syncing to disk costs nothing"
}

const run = (program: string, ...args: ReadonlyArray<string>): string => {
  try {
    const { NATS_URL: _url, ...env } = process.env
    return execFileSync(program, args, { cwd: projectRoot, encoding: "utf8", env }).trim()
  } catch {
    return "unknown"
  }
}

const commit = (): string => {
  const changed = run("git", "status", "--porcelain", "src") === "" ? "" : ", with changes in src/"
  return run("git", "rev-parse", "--short", "HEAD") + changed
}

/** Describes the machine and the versions of its programs, because the figures of the benchmark depend on both. */
export const machine = (): string => {
  const processor = cpus()[0]?.model ?? "unknown processor"
  const gibibytes = (totalmem() / 1024 ** 3).toFixed(0)
  const filesystem = filesystems[statfsSync(tmpdir()).type] ?? "unknown filesystem"
  const broker = run(run(join(projectRoot, "scripts/nats.sh"), "server"), "--version").replace(/^.*v/, "")
  return [
    `${processor}, ${availableParallelism()} cores for everything, ${gibibytes} GiB, the broker's data on ${filesystem}`,
    `node ${process.versions.node}, nats-server ${broker}, commit ${commit()}`,
    `load average before: ${loadavg()[0]?.toFixed(2)}`
  ].join("\n")
}
