import { expect, it } from 'vitest'
import type { Context } from '../../../src/pipeline/context.ts'
import type { Aimed } from '../../../src/pipeline/fleet.ts'
import { lookAhead } from '../../../src/pipeline/preflight.ts'

const change = {
  id: '2',
  previousId: '1',
  revision: 'c',
  name: 'app',
  filters: { exclude: [], protect: [] },
  places: { state: '/s', path: '/p', release: '/r', previous: '' },
  strategy: { preflight: 'x', environment: '' },
}

/** Hosts that answer the look ahead with these lines. */
async function warningsOf(answers: Record<string, string>): Promise<string[]> {
  const warnings: string[] = []
  const members = Object.entries(answers).map(([name, text]) => ({
    record: { host: name },
    change,
    link: { host: { name, run: async () => ({ code: 0, text, tail: '' }) } },
  }))
  const context = {
    plan: { files: [] },
    log: { warning: (text: string) => void warnings.push(text) },
    step: async (_: string, work: (note: { note(): void }) => Promise<void>) => await work({ note: () => {} }),
  }
  await lookAhead(context as unknown as Context, members as unknown as Aimed[]).catch((error: Error) => {
    warnings.push(`refused: ${error.message}`)
  })
  return warnings
}

it('says once what several hosts warn of, and to the end what one alone does', async () => {
  expect(await warningsOf({ a: 'warn weak', b: 'warn weak\nwarn old', c: 'note fine' })).toEqual([
    'a, b: weak',
    'b: old',
  ])
})

it('says it also where a host refuses', async () => {
  const refuse = 'refuse HD-NIX-01\tno flake\twhy\tfix'
  expect(await warningsOf({ a: 'warn weak', b: refuse })).toEqual(['a: weak', expect.stringContaining('b: no flake')])
})
