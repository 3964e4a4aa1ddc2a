/**
 * Returns the URL of the broker that a command asks: the broker of NATS_URL, which is `natsUrl` in the settings, or the
 * broker of start.sh at NATS_PORT.
 */
export const brokerUrl = (natsUrl: string): string => {
  // start.sh takes the port of its broker by this name.
  const port = process.env["NATS_URL"] ? undefined : process.env["NATS_PORT"]
  return port === undefined ? natsUrl : `nats://127.0.0.1:${port}`
}
