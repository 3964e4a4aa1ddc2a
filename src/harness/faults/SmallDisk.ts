import { execFileSync } from "node:child_process"
import { appendFileSync, mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/**
 * The size of the disk image, with room for the bounds of all streams. The image is a sparse file, and takes only the
 * written space.
 */
const diskBytes = 4 * 1024 ** 3
const pieceBytes = 4_096

const run = (program: string, ...args: ReadonlyArray<string>): void =>
  void execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] })

/** A file system that is small enough to be filled: ext4 in a file that is mounted through a loop device. */
export class SmallDisk {
  readonly directory: string
  private readonly image: string
  private readonly ballast: string

  private constructor(image: string, directory: string) {
    this.image = image
    this.directory = directory
    this.ballast = join(directory, "ballast")
  }

  /** Mounts a small disk below a directory. Returns the reason if this machine does not allow the mount. */
  static mount(below: string): SmallDisk | { readonly refused: string } {
    const disk = new SmallDisk(join(below, "disk.img"), join(below, "disk"))
    try {
      writeFileSync(disk.image, "")
      truncateSync(disk.image, diskBytes)
      mkdirSync(disk.directory)
      run("mkfs.ext4", "-q", "-m", "0", disk.image)
      run("mount", "-o", "loop", disk.image, disk.directory)
      return disk
    } catch (cause) {
      rmSync(disk.image, { force: true })
      return { refused: `no file system on a loop device: ${String(cause).split("\n").slice(0, 2).join(" ").trim()}` }
    }
  }

  /** Fills the disk until a write fails. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.directory)
    const room = bavail * bsize - 64 * pieceBytes
    if (room > 0) run("fallocate", "-l", String(room), this.ballast)
    // The rest of the disk is filled piece by piece until a write fails, because a broker may write at the same time.
    const piece = Buffer.alloc(pieceBytes)
    try {
      for (;;) appendFileSync(this.ballast, piece)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw cause
    }
  }

  free(): void {
    rmSync(this.ballast, { force: true })
  }

  /**
   * Unmounts the disk, and releases its loop device. All processes that use the disk must have ended before the call.
   */
  unmount(): void {
    try {
      run("umount", this.directory)
    } catch {
      // If a process still has the disk open, the disk is unmounted when that process ends.
      run("umount", "--lazy", this.directory)
    }
    rmSync(this.image, { force: true })
  }
}
