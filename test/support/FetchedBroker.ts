import { serverPath } from "../../src/harness/system/TestBroker.ts"

/**
 * Runs before all tests: on a machine that has no broker yet, to get one can take minutes, which is longer than a test
 * may wait, and several tests would do it at once.
 */
export default () => void serverPath()
