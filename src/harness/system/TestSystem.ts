import { encodeToken, partitionOf } from "../../protocol/Subject.ts"
import type { Settings } from "../../Settings.ts"
import { BrokerAdmin } from "./BrokerAdmin.ts"
import { type Ask, askApp } from "./Shopper.ts"
import { inputMessage, piecesOf, type Sold } from "./Sold.ts"
import { TestBroker } from "./TestBroker.ts"
import {
  type JudgeReplacements,
  type Replacements,
  startEdge,
  startJudge,
  startWorker,
  type TestEdge,
  type TestJudge,
  testSettings,
  type TestWorker
} from "./TestLedger.ts"

/** Returns the first of the users `<name>`, `<name>-1`, `<name>-2`, … that belongs to a partition. */
export const userIn = (partition: number, partitions: number, name: string): string => {
  let user = name
  for (let number = 1; partitionOf(encodeToken(user), partitions) !== partition; number += 1) user = `${name}-${number}`
  return user
}

/** A broker, with an edge and workers that run in the test's process. */
export class TestSystem {
  readonly broker: TestBroker
  readonly settings: Settings
  readonly admin: BrokerAdmin
  readonly edge: TestEdge
  readonly ask: Ask
  private readonly workers = new Set<TestWorker>()
  private readonly judges = new Set<TestJudge>()

  private constructor(broker: TestBroker, settings: Settings, admin: BrokerAdmin, edge: TestEdge) {
    this.broker = broker
    this.settings = settings
    this.admin = admin
    this.edge = edge
    this.ask = askApp(edge.app)
  }

  /** Starts the broker and the edge, and no worker. */
  static async start(environment: Record<string, string> = {}): Promise<TestSystem> {
    const broker = await TestBroker.start()
    const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: "4", WORKER_ID: "worker", ...environment })
    const edge = await startEdge(settings)
    return new TestSystem(broker, settings, await BrokerAdmin.open(broker.url, settings.partitions), edge)
  }

  async startWorker(replace: Replacements = {}, different: Partial<Settings> = {}): Promise<TestWorker> {
    const worker = await startWorker({ ...this.settings, ...different }, replace)
    this.workers.add(worker)
    return worker
  }

  async stopWorkers(): Promise<void> {
    await Promise.all([...this.workers].map((worker) => worker.stop()))
    this.workers.clear()
  }

  async startJudge(replace: JudgeReplacements = {}, different: Partial<Settings> = {}): Promise<TestJudge> {
    const judge = await startJudge({ ...this.settings, ...different }, replace)
    this.judges.add(judge)
    return judge
  }

  async stopJudges(): Promise<void> {
    await Promise.all([...this.judges].map((judge) => judge.stop()))
    this.judges.clear()
  }

  partitionOf(user: string): number {
    return partitionOf(encodeToken(user), this.settings.partitions)
  }

  /**
   * Stores purchases of one partition directly in the input log, without the edge. Returns the sequences of the stored
   * messages.
   */
  async publish(sales: ReadonlyArray<Sold>, size = 500): Promise<ReadonlyArray<number>> {
    const sequences: Array<number> = []
    for (const piece of piecesOf(sales, size)) {
      const partition = this.partitionOf(piece[0]?.userId ?? "")
      sequences.push(await this.admin.publish(`purchases.${partition}.=many`, inputMessage(piece)))
    }
    return sequences
  }

  async stop(): Promise<void> {
    await this.stopJudges()
    await this.stopWorkers()
    await this.edge.stop()
    await this.admin.close()
    await this.broker.stop()
  }
}
