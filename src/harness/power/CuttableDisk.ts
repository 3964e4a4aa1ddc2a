import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

const directoryPrefix = "purchase-ledger-disk-"
const diskBytes = 4 * 1024 ** 3
const unmountTriesMax = 100
const unmountWaitMilliseconds = 50

/** Says why this machine cannot simulate a power cut of a disk. */
export class NoCuttableDisk extends Error {}

// The programs that make file systems are in directories for administrators, which may be missing from PATH.
const environment = { ...process.env, PATH: [process.env["PATH"], "/usr/sbin", "/sbin"].join(delimiter) }

/** Runs a program. Returns the program's failure as a text for people; `undefined` if the program succeeds. */
const failureOf = (program: string, ...args: ReadonlyArray<string>): string | undefined => {
  const { error, status, stderr } = spawnSync(program, args, { env: environment, encoding: "utf8" })
  if (error !== undefined) return `${program} cannot be run: ${error.message}`
  return status === 0 ? undefined : `${program} failed: ${stderr.trim()}`
}

const run = (program: string, ...args: ReadonlyArray<string>): void => {
  const failure = failureOf(program, ...args)
  if (failure !== undefined) throw new NoCuttableDisk(failure)
}

/**
 * The scripts that call the ioctl FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH, because Node cannot call an ioctl.
 * Nearly every system has Perl, and most systems have Python.
 */
const shutdownScripts = [
  [
    "perl",
    "-e",
    'open(my $d, "<", $ARGV[0]) or die "$!\\n"; my $flag = pack("I", 2); ioctl($d, 0x8004587d, $flag) or die "$!\\n"'
  ],
  [
    "python3",
    "-c",
    'import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587d, struct.pack("I", 2))'
  ]
] as const

const shutDown = (mountPoint: string): void => {
  const failures: Array<string> = []
  for (const [program, ...args] of shutdownScripts) {
    const failure = failureOf(program, ...args, mountPoint)
    if (failure === undefined) return
    failures.push(failure)
  }
  throw new NoCuttableDisk(failures.join("; "))
}

/** Returns the ids of the processes that have a directory in their environment. */
const usersOf = (directory: string): Array<number> =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && pid !== process.pid && readFileSync(`/proc/${pid}/environ`, "utf8").includes(`=${directory}`)
      } catch {
        return false
      }
    })

const isMounted = (mountPoint: string): boolean => readFileSync("/proc/mounts", "utf8").includes(` ${mountPoint} `)

const remove = (directory: string): void => {
  for (const pid of usersOf(directory)) process.kill(pid, "SIGKILL")
  const mountPoint = join(directory, "mounted")
  // A killed process keeps the disk busy until it has ended.
  for (let tries = 1; isMounted(mountPoint) && tries <= unmountTriesMax; tries += 1) {
    const failure = failureOf("umount", mountPoint)
    if (failure !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, unmountWaitMilliseconds)
  }
  if (isMounted(mountPoint)) run("umount", "--lazy", mountPoint)
  rmSync(directory, { recursive: true, force: true })
}

/**
 * Removes the cuttable disks that killed test processes left behind. A disk is forgotten if the process whose id is in
 * the name of the disk's directory does not exist any more.
 */
const removeForgotten = (): void => {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(directoryPrefix)) continue
    const [pid = ""] = name.slice(directoryPrefix.length).split("-")
    if (!existsSync(`/proc/${pid}/cwd`)) remove(join(tmpdir(), name))
  }
}

/**
 * An ext4 file system in a file, on a loop device. A power cut loses all bytes that were written and not synced. Bytes
 * that reached the device before the power cut stay, as on a disk without a cache.
 *
 * The processes that use the disk have the disk's directory in their environment, so that these processes can be found
 * and ended. The process that made the disk removes the disk on exit. If the process that made the disk is killed, the
 * next test process removes the disk.
 */
export class CuttableDisk {
  readonly directory: string
  /** The directory of the disk's files. */
  readonly mountPoint: string

  private constructor(directory: string) {
    this.directory = directory
    this.mountPoint = join(directory, "mounted")
  }

  /**
   * Makes a cuttable disk. Throws `NoCuttableDisk` if the machine does not allow such a disk, or if a power cut would
   * lose nothing.
   */
  static create(): CuttableDisk {
    if (process.platform !== "linux") throw new NoCuttableDisk("only Linux can shut a file system down")
    if (process.getuid?.() !== 0) throw new NoCuttableDisk("only root can mount a file system, and this is not root")
    removeForgotten()
    const disk = new CuttableDisk(mkdtempSync(join(tmpdir(), `${directoryPrefix}${process.pid}-`)))
    process.once("exit", disk.removeAtExit)
    try {
      writeFileSync(disk.image, "")
      truncateSync(disk.image, diskBytes)
      mkdirSync(disk.mountPoint)
      run("mkfs.ext4", "-q", "-F", disk.image)
      disk.mount()
      disk.tryOut()
    } catch (cause) {
      disk.remove()
      throw cause
    }
    return disk
  }

  /**
   * Returns why this machine allows no cuttable disk; `undefined` if the machine allows such a disk. Makes a cuttable
   * disk for the check, and removes the disk.
   */
  static whyNot(): string | undefined {
    try {
      CuttableDisk.create().remove()
      return undefined
    } catch (cause) {
      if (cause instanceof NoCuttableDisk) return cause.message
      throw cause
    }
  }

  /** Syncs the disk: all bytes that were written until now survive the next power cut. */
  sync(): void {
    run("sync", "--file-system", this.mountPoint)
  }

  /** Cuts the power: from now on no write reaches the disk. */
  cutPower(): void {
    shutDown(this.mountPoint)
  }

  /**
   * Mounts the disk again with its remaining content. All processes that use the disk must have ended before the call.
   */
  restorePower(): void {
    run("umount", this.mountPoint)
    this.mount()
  }

  /** Ends all processes that use the disk, and removes the disk. */
  remove(): void {
    process.removeListener("exit", this.removeAtExit)
    remove(this.directory)
  }

  private readonly removeAtExit = () => remove(this.directory)

  private get image(): string {
    return join(this.directory, "image")
  }

  private mount(): void {
    // With the option `loop`, the kernel releases the loop device as soon as the file system is unmounted.
    run("mount", "-o", "loop", this.image, this.mountPoint)
  }

  private tryOut(): void {
    const file = join(this.mountPoint, "not-synced")
    writeFileSync(file, "lost")
    this.cutPower()
    this.restorePower()
    if (existsSync(file)) throw new NoCuttableDisk("what was not synced outlives the cut here")
  }
}
