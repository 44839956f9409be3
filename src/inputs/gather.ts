import { resolve } from 'node:path'
import { didYouMean } from './closest.ts'
import { parseConfig, type Settings } from './config-file.ts'
import { hasControl } from './form.ts'
import type { Problems } from './problems.ts'
import { isInside, type ReadFile } from './read-inside.ts'
import { type Environment, workspaceOf } from './run.ts'
import { readWorkflow } from './workflow.ts'

const usualConfig = '.github/homelab-deploy.yml'

export interface Given {
  /** Every input that was given anywhere: the workflow wins over the target, the target over the defaults. */
  readonly inputs: Settings
  /** What could have been chosen. */
  readonly targets: readonly string[]
  /** What a target of that name would be given, were it deployed to by this very step. */
  readonly forTarget: (name: string) => Settings
}

export function gather(env: Environment, readFile: ReadFile, problems: Problems): Given {
  const workflow = readWorkflow(env, problems)
  const workspace = workspaceOf(env)
  const named = workflow.get('config')
  const file = named?.text.trim() ?? usualConfig
  const text = hasControl(file) ? refuseName(file, problems) : readConfig(resolve(workspace, file), workspace)
  const config = text === undefined ? undefined : parseConfig(text, file, problems)
  if (named && text === undefined && !problems.concerns('config')) {
    problems.refuser({ input: 'config' })(
      'does not exist',
      'Check the path, and that `actions/checkout` ran before this step.',
      file,
    )
  }
  const target = chooseTarget(workflow.get('target')?.text.trim(), config?.targets, file, problems)
  return {
    inputs: new Map([...(config?.defaults ?? []), ...target, ...workflow]),
    targets: [...(config?.targets.keys() ?? [])],
    forTarget: (name) => {
      // Where to, is for the target alone to say: what the workflow gives is about another one.
      const elsewhere = [...workflow].filter(([input]) => input !== 'host' && input !== 'nodes')
      return new Map([...(config?.defaults ?? []), ...elsewhere, ...(config?.targets.get(name) ?? [])])
    },
  }

  function readConfig(path: string, directory: string): string | undefined {
    const refuse = problems.refuser({ input: 'config' })
    if (!isInside(path, directory)) return refuse('lies outside the workspace', 'Name a file of the repository.', file)
    try {
      return readFile(path, directory)
    } catch (cause) {
      return refuse(cause instanceof Error ? cause.message : String(cause), 'Name a file of the repository.', file)
    }
  }
}

function refuseName(file: string, problems: Problems): undefined {
  return problems.refuser({ input: 'config' })('holds a control character', 'Name a file of the repository.', file)
}

function chooseTarget(
  wanted: string | undefined,
  targets: ReadonlyMap<string, Settings> | undefined,
  file: string,
  problems: Problems,
): Settings {
  const none: Settings = new Map()
  if (wanted === undefined || problems.concerns('config')) return none
  const chosen = targets?.get(wanted)
  if (chosen) return chosen
  const names = [...(targets?.keys() ?? [])]
  const has =
    names.length > 0
      ? `\`${file}\` has ${names.join(', ')}.`
      : `\`${file}\` ${targets ? 'has no targets' : 'does not exist'}.`
  problems.refuser({ input: 'target' })('is unknown', didYouMean(wanted, names) + has, wanted)
  return none
}
