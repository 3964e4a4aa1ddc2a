import { connect, nkeyAuthenticator } from "nats"

const answerWaitMilliseconds = 2_000

interface Group {
  readonly leader?: string
}

interface JetStreamPage {
  readonly meta_cluster?: Group
  readonly account_details?: ReadonlyArray<{
    readonly stream_detail?: ReadonlyArray<{ readonly cluster?: Group }>
  }>
}

/** The state of one broker, from the broker's own report. */
export interface BrokerState {
  /** `ok` if the broker is healthy; otherwise the reason that the broker gives. */
  readonly health: string
  /** The name of the broker that leads the cluster's decisions about streams; `undefined` if no leader is known. */
  readonly leader: string | undefined
  /**
   * Whether the broker knows the leader of the cluster, and the leader of each stream. A broker reports `ok` even if it
   * knows no leader of a stream, and thus cannot serve the stream.
   */
  readonly knowsLeaders: boolean
}

/** Asks one broker for its state, with the key of the system account. Throws an Error if the broker does not answer. */
export const readBrokerState = async (url: string, seed: Uint8Array): Promise<BrokerState> => {
  const client = await connect({
    servers: url,
    authenticator: nkeyAuthenticator(seed),
    reconnect: false,
    ignoreClusterUpdates: true,
    timeout: answerWaitMilliseconds
  })
  try {
    const ask = async <A>(page: string, body: object = {}): Promise<A> => {
      const subject = `$SYS.REQ.SERVER.${client.info?.server_id}.${page}`
      const answer = await client.request(subject, JSON.stringify(body), { timeout: answerWaitMilliseconds })
      return answer.json<{ readonly data: A }>().data
    }
    const { status, error } = await ask<{ readonly status: string; readonly error?: string }>("HEALTHZ")
    const page = await ask<JetStreamPage>("JSZ", { accounts: true, streams: true })
    const streams = (page.account_details ?? []).flatMap(({ stream_detail = [] }) => stream_detail)
    const groups = [page.meta_cluster, ...streams.map(({ cluster }) => cluster)]
    return {
      health: status === "ok" ? "ok" : (error ?? status),
      leader: page.meta_cluster?.leader || undefined,
      knowsLeaders: groups.every((group) => (group?.leader ?? "") !== "")
    }
  } finally {
    await client.close()
  }
}
