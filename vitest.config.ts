import { existsSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const labSetup = '__tests__/lab/setup.ts'
const seconds = 1_000
const minutes = 60 * seconds
// Faults meet a run at a moment, and a machine that is busy elsewhere can let it pass. In CI once more; at a desk never.
const retry = process.env.CI ? 1 : 0

export default defineConfig({
  test: {
    // Most tests wait, for a host or for time to pass, so more of them than there are processors can run at once.
    maxWorkers: 4,
    projects: [
      project('unit', 15 * seconds),
      project('contract', 30 * seconds),
      project('scenario', 60 * seconds), // dist as child processes, against a real SSH server on loopback
      project('repo', 30 * seconds),
      {
        test: {
          name: 'runners',
          include: ['__tests__/runners/**/*.test.ts'],
          globalSetup: ['__tests__/runners/setup.ts'],
          testTimeout: 2 * minutes,
          retry,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['__tests__/lab/**/*.test.ts'],
          // All of them take long: `npm run lab -- faults`, `npm run lab -- cancel`. Without the word, a cross-section.
          env: { HOMELAB_FAULTS: process.argv.some((word) => /faults|cancel/.test(word)) ? 'all' : 'some' },
          globalSetup: existsSync(labSetup) ? [labSetup] : [],
          // The stories wait most of the time, and their hosts do not know each other.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 10 * minutes,
          retry,
          hookTimeout: 20 * minutes,
        },
      },
    ],
  },
})

function project(name: string, timeout: number) {
  return {
    test: { name, include: [`__tests__/${name}/**/*.test.ts`], testTimeout: timeout, hookTimeout: timeout, retry },
  }
}
