import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DeployError } from '../errors.ts'
import { colmena } from './colmena.ts'
import { compose } from './compose.ts'
import { nixosRebuild } from './nixos-rebuild.ts'
import { script } from './script.ts'
import { stack } from './stack.ts'
import type { Strategy } from './strategy.ts'
import { uv } from './uv.ts'

/** Every strategy there is; names, error texts, tables and contract tests derive from this list. */
export const strategies = [nixosRebuild, colmena, uv, compose, stack, script] as const satisfies readonly Strategy[]

/** The strategy of that name, or under `auto` the one whose files are in the source. */
export function chooseStrategy(name: string, source: string): Strategy {
  const all: readonly Strategy[] = strategies
  const named = all.find((strategy) => strategy.name === name)
  if (named !== undefined) return named
  const fitting = all.filter(({ markers }) => markers.some((file) => existsSync(join(source, file))))
  const [only] = fitting
  if (only !== undefined && fitting.length === 1) return only
  throw new DeployError(
    'HD-STRATEGY-01',
    fitting.length > 1 ? 'The source fits more than one strategy.' : 'The source fits no strategy.',
    {
      why:
        fitting.length > 1
          ? `It holds the files of ${fitting.map((strategy) => strategy.name).join(' and ')}.`
          : `None of ${all.flatMap(({ markers }) => markers).join(', ') || 'the files that would tell'} is in it.`,
      fix: `Set \`strategy\` to one of: ${all.map((strategy) => strategy.name).join(', ')}.`,
    },
  )
}
