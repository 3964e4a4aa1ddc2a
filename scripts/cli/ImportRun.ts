import type { Asked } from "./Asking.ts"
import type { FileRecord, FileRecords } from "./FileRecord.ts"
import type { ImportColumns, ImportedPurchase } from "./ImportColumns.ts"
import type { ImportFile } from "./ImportFile.ts"
import { counted } from "./Output.ts"
import { barText } from "./Progress.ts"
import { RefusedFile } from "./RefusedFile.ts"
import { newRunState, type RunState, type StateFile } from "./StateFile.ts"
import { StoringRun } from "./StoringRun.ts"
import { UnusableFile } from "./UnusableFile.ts"

/** The bounds of a batch: of the records that are held at once, after which the state is kept. */
const batchBounds = { records: 5_000, characters: 4 * 1024 * 1024 }
/** The most reasons that are kept for a message. */
const reasonsMax = 10

type Means = Pick<Asked, "clientTelling" | "signal" | "timeoutMilliseconds" | "onRetry" | "progress">

interface ImportSettings {
  readonly file: ImportFile
  readonly columns: ImportColumns
  /** The parts of the command line that decide the ids and contents of purchases, beside the content of the file. */
  readonly work: Readonly<Record<string, string>>
  readonly stateFile: StateFile | undefined
  readonly refusedPath: string | undefined
  /** Whether the records are only checked, and nothing is sent. */
  readonly isDry: boolean
  /** Whether a record counts as stored only when its purchase is applied. */
  readonly untilApplied: boolean
}

/** Yields the records in batches, from the record `from` on, counted from 0. */
export async function* batchesOf(
  records: AsyncIterable<FileRecord>,
  from: number
): AsyncGenerator<ReadonlyArray<FileRecord>> {
  let batch: Array<FileRecord> = []
  let characters = 0
  let read = 0
  for await (const record of records) {
    read += 1
    if (read <= from) continue
    batch.push(record)
    characters += record.size
    if (batch.length < batchBounds.records && characters < batchBounds.characters) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}

/**
 * Imports a file: first reads the whole file, and after that stores its purchases batch by batch. A record that cannot
 * be stored goes into the file of refused records.
 */
export class ImportRun {
  private readonly settings: ImportSettings
  private readonly means: Means
  private state: RunState = newRunState({})
  private batch: StoringRun | undefined
  /** The records of the batch that is sent. */
  private sending: ReadonlyArray<readonly [FileRecord, ImportedPurchase]> = []
  private refusedFile: RefusedFile | undefined
  /** The number of records in the file. */
  records = 0
  /** The number of records without an id, whose ids follow from the content of the file. */
  withoutId = 0
  /** The first reasons of refused records, each with its line. */
  readonly reasons: Array<string> = []

  constructor(settings: ImportSettings, means: Means) {
    this.settings = settings
    this.means = means
  }

  /** The number of records that need no further attention: stored, or in the file of refused records. */
  get settled(): number {
    return this.state.settled
  }

  get stored(): number {
    return this.state.stored + (this.batch?.stored ?? 0)
  }

  get refused(): number {
    return this.state.refused
  }

  /** The lines of the records whose purchases are stored, and were not applied when the service answered. */
  get unappliedLines(): ReadonlyArray<number> {
    return Array.from(this.batch?.unapplied ?? [], (number) => this.sending[number - 1]?.[0].line ?? 0)
  }

  /** Imports the file. Throws an UnusableFile before anything is sent if the file cannot be read to its end. */
  async run(): Promise<void> {
    const { file, stateFile, work, isDry, refusedPath } = this.settings
    const idColumn = this.settings.columns.idColumn
    await this.readWhole()
    const hash = file.hash
    const whole = { ...work, sha256: hash }
    this.state = isDry || stateFile === undefined ? newRunState(whole) : stateFile.of(whole)
    if (this.state.isDone) {
      if (refusedPath !== undefined) RefusedFile.settle(refusedPath)
      return
    }
    const opened = await file.open()
    if (refusedPath !== undefined) {
      const { refusedBytes } = this.state
      this.refusedFile = RefusedFile.open(refusedPath, opened.refusedHeader(idColumn), refusedBytes)
    }
    this.keep(this.state)
    for await (const batch of batchesOf(opened.records, this.state.settled)) await this.settle(batch, hash)
    if (file.hash !== hash) {
      throw new UnusableFile(`${file.path} was changed while it was imported. Compare it with what is stored.`)
    }
    this.keep({ ...this.state, isDone: true })
    this.refusedFile?.finish()
  }

  /** Reads the file to its end, so that a file that is broken or lacks a column is refused before anything is sent. */
  private async readWhole(): Promise<void> {
    const { file, columns } = this.settings
    const opened: FileRecords = await file.open()
    if (opened.columns !== undefined) columns.check(opened.columns)
    this.means.progress.show(() => `checking ${file.path}: ${counted(this.records)} lines`)
    for await (const _ of opened.records) {
      this.means.signal.throwIfAborted()
      this.records += 1
    }
    this.means.progress.show(() =>
      barText("imported", this.state.settled + (this.batch?.settled ?? 0), Math.max(1, this.records))
    )
  }

  /** Stores the purchases of a batch, writes down its refused records in their order, and last keeps the state. */
  private async settle(batch: ReadonlyArray<FileRecord>, hash: string): Promise<void> {
    const { columns, isDry } = this.settings
    const refused = new Map<FileRecord, string>()
    const wanted: Array<readonly [FileRecord, ImportedPurchase]> = []
    const idWithout = ({ line }: FileRecord): string => `import-${hash.slice(0, 32)}-${line}`
    for (const record of batch) {
      if (!columns.hasId(record)) this.withoutId += 1
      const purchase = columns.purchaseOf(record, idWithout(record))
      if (typeof purchase === "string") refused.set(record, purchase)
      else wanted.push([record, purchase])
    }
    let stored = wanted.length
    if (!isDry && wanted.length > 0) stored = await this.store(wanted, refused)
    this.means.signal.throwIfAborted()
    const lines = batch.flatMap((record) => {
      const reason = refused.get(record)
      if (reason === undefined) return []
      if (this.reasons.length < reasonsMax) this.reasons.push(`line ${record.line}: ${reason}`)
      const id = { column: columns.idColumn, id: columns.idOf(record, idWithout(record)) }
      return [record.refusedLine(reason, id)]
    })
    this.refusedFile?.append(lines)
    this.keep({
      ...this.state,
      settled: this.state.settled + batch.length,
      stored: this.state.stored + stored,
      refused: this.state.refused + refused.size,
      refusedBytes: this.refusedFile?.bytes ?? 0
    })
  }

  /** Sends purchases. Returns how many are stored, and adds the others to `refused`. */
  private async store(
    wanted: ReadonlyArray<readonly [FileRecord, ImportedPurchase]>,
    refused: Map<FileRecord, string>
  ): Promise<number> {
    const at = (number: number) => {
      const found = wanted[number - 1]
      if (found === undefined) throw new RangeError(`A batch of ${wanted.length} has no purchase ${number}`)
      return found
    }
    const batch = new StoringRun(wanted.length, (number) => at(number)[1])
    this.batch = batch
    this.sending = wanted
    const { clientTelling, signal, timeoutMilliseconds, onRetry } = this.means
    const onRefused = (number: number, reason: string) => void refused.set(at(number)[0], reason)
    const { untilApplied } = this.settings
    await batch.store({ clientTelling, signal, timeoutMilliseconds, onRetry, onRefused, untilApplied })
    this.batch = undefined
    return batch.stored
  }

  private keep(state: RunState): void {
    this.state = state
    if (!this.settings.isDry) this.settings.stateFile?.write(state)
  }
}
