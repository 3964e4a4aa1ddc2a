import { inputStream, journalStream } from "../../protocol/Subject.ts"
import { freePort, TestBroker, until } from "./TestBroker.ts"

const size = 3
const startWaitMilliseconds = 60_000

interface StreamDetail {
  readonly name: string
  readonly cluster?: { readonly leader?: string }
}

const nameOf = (index: number): string => `test-${index + 1}`

/** Three brokers that replicate their streams, on free ports and in temporary directories. */
export class TestCluster {
  readonly brokers: ReadonlyArray<TestBroker>

  private constructor(brokers: ReadonlyArray<TestBroker>) {
    this.brokers = brokers
  }

  /** Starts all three brokers. If one broker does not start, stops the other brokers and fails. */
  static async start(): Promise<TestCluster> {
    const ports = await Promise.all(Array.from({ length: size }, freePort))
    const routes = ports.map((port) => `nats://127.0.0.1:${port}`)
    const brokers = await Promise.all(
      routes.map((route, index) =>
        TestBroker.create({
          arguments: [
            "--server_name",
            nameOf(index),
            "--cluster_name",
            "test",
            "--cluster",
            route,
            "--routes",
            routes.join(",")
          ]
        })
      )
    )
    const cluster = new TestCluster(brokers)
    try {
      await Promise.all(brokers.map((broker) => broker.run(startWaitMilliseconds)))
    } catch (failure) {
      await cluster.stop()
      throw failure
    }
    return cluster
  }

  get url(): string {
    return this.brokers.map(({ url }) => url).join(",")
  }

  /**
   * Returns the broker that leads a stream, or that leads the group `meta`, which assigns streams to brokers. Returns
   * `undefined` while no broker leads.
   */
  async leaderOf(led: string): Promise<TestBroker | undefined> {
    for (const broker of this.brokers) {
      const state = await broker.monitoring("/jsz?accounts=1&streams=1")
      const streams: ReadonlyArray<StreamDetail> = state?.account_details?.[0]?.stream_detail ?? []
      const group = led === "meta" ? state?.meta_cluster : streams.find(({ name }) => name === led)?.cluster
      const leader = this.brokers.find((_, index) => nameOf(index) === group?.leader)
      if (leader?.isRunning === true) return leader
    }
    return undefined
  }

  /** Waits until all brokers run, have caught up, and know the leaders of all streams. */
  async untilWhole(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.untilHealthy(startWaitMilliseconds)))
    for (const led of ["meta", inputStream, journalStream] as const) {
      await until(`${led} has a leader`, async () => (await this.leaderOf(led)) !== undefined, startWaitMilliseconds)
    }
  }

  async stop(): Promise<void> {
    const stopped = await Promise.allSettled(this.brokers.map((broker) => broker.stop()))
    for (const result of stopped) if (result.status === "rejected") throw result.reason
  }
}
