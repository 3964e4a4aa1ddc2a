import { readFileSync } from "node:fs"

const bytesPerKibibyte = 1_024
export const bytesPerMebibyte = 1_048_576

/** Returns the present and the highest memory of a process, in bytes; NaN on a machine without /proc. */
export const processMemory = (pid: number): { readonly resident: number; readonly peak: number } => {
  const read = (field: string, status: string) =>
    Number(new RegExp(`^${field}:\\s+([0-9]+) kB`, "m").exec(status)?.[1] ?? Number.NaN) * bytesPerKibibyte
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    return { resident: read("VmRSS", status), peak: read("VmHWM", status) }
  } catch {
    return { resident: Number.NaN, peak: Number.NaN }
  }
}
