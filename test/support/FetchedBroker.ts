import { serverPath } from "../../src/harness/system/TestBroker.ts"

/**
 * Runs before all tests, and fetches the broker if the machine has none. Fetching the broker can take minutes, which is
 * longer than a test may wait. Without this hook, several tests would fetch the broker at once.
 */
export default () => void serverPath()
