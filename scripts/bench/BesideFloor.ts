import type { CaseInput } from "./Case.ts"

/**
 * Runs the floor before the system in odd runs, and after the system in even runs, so that changes of the machine meet
 * both alike.
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
