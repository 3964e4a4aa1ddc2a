import type { CaseInput } from "./Case.ts"

/**
 * Runs the floor and the system one after the other. The floor runs first in odd runs, and last in even runs, so that a
 * change in the machine's speed affects both alike.
 */
export const besideFloor = async <System, Floor extends object>(
  { run }: CaseInput,
  runSystem: () => Promise<System>,
  runFloor: () => Promise<Floor>
): Promise<{ readonly system: System; readonly floor: Floor }> => {
  const before = run % 2 === 1 ? await runFloor() : undefined
  const system = await runSystem()
  return { system, floor: before ?? (await runFloor()) }
}
