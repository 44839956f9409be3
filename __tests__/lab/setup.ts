import { startLab } from './lab.ts'

/** Vitest's globalSetup of the project "lab". */
export default async function setup(): Promise<() => Promise<void>> {
  const lab = await startLab()
  return async () => await lab[Symbol.asyncDispose]()
}
