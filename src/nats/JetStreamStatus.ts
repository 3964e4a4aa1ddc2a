import type { Msg } from "nats"

/** The code of a message by which the broker says something itself; 0 of one that carries something. */
export const statusOf = (message: Msg): number => message.headers?.code ?? 0
