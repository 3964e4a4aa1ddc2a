/** The value of `owner.<partition>`: who took it. What counts is the key's revision, the epoch; this is for people. */
export const encodeOwner = (worker: string): string => JSON.stringify({ version: 1, worker })
