import { fileURLToPath } from "node:url"
import { NodeProcess } from "./NodeProcess.ts"

/** Starts a program of the floor, by the name of its file. */
export const startFloorProcess = (name: string, environment: Readonly<Record<string, string>>): NodeProcess =>
  new NodeProcess({
    name: `floor-${name}`,
    script: fileURLToPath(new URL(`floor/${name}.ts`, import.meta.url)),
    environment
  })
