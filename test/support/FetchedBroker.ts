import { serverPath } from "../../src/harness/system/TestBroker.ts"

/**
 * Runs before all tests, and fetches the broker if the machine has none. That can take minutes, which is longer than a
 * test may wait. Several tests would do it at once.
 */
export default () => void serverPath()
