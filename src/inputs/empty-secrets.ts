import { join } from 'node:path'
import { parse } from 'yaml'
import type { ReadFile } from './read-inside.ts'
import type { Environment } from './run.ts'
import { type InputName, isInputName } from './spec.ts'
import { variableOf } from './workflow.ts'

interface Step {
  readonly uses?: unknown
  readonly with?: Readonly<Record<string, unknown>> | null
}

/**
 * The inputs that the workflow gives from a secret alone, where that secret is empty: `env-file` from `DOTENV`. To the action
 * they look as if they were never written, so that only the workflow in the checkout can tell; where it cannot, nobody does.
 */
export function emptySecrets(env: Environment, workspace: string, readFile: ReadFile): ReadonlyMap<InputName, string> {
  const [first, ...others] = ourSteps(env, workspace, readFile).map((step) => secretsOf(step, env))
  // Which of several steps this is nobody says: only what all of them say is known.
  return new Map([...(first ?? [])].filter(([input, secret]) => others.every((other) => other.get(input) === secret)))
}

function ourSteps(env: Environment, workspace: string, readFile: ReadFile): readonly Step[] {
  const file = /\/(\.\w+\/workflows\/[\w.-]+\.ya?ml)@/.exec(env.GITHUB_WORKFLOW_REF ?? '')?.[1]
  const us = env.GITHUB_ACTION_REPOSITORY ?? ''
  if (file === undefined || us === '') return []
  try {
    const workflow = parse(readFile(join(workspace, file), workspace) ?? '') as {
      jobs?: Readonly<Record<string, { steps?: readonly Step[] }>>
    }
    const steps = workflow.jobs?.[env.GITHUB_JOB ?? '']?.steps ?? []
    return steps.filter(({ uses }) => `/${String(uses).split('@')[0]}`.endsWith(`/${us}`))
  } catch {
    return []
  }
}

function secretsOf({ with: inputs }: Step, env: Environment): Map<InputName, string> {
  const pairs = Object.entries(inputs ?? {}).flatMap(([name, value]): [InputName, string][] => {
    const [, secret = ''] = /^\s*\$\{\{\s*secrets\.(\w+)\s*\}\}\s*$/.exec(String(value)) ?? []
    return secret !== '' && isInputName(name) && !env[variableOf(name)]?.trim() ? [[name, secret]] : []
  })
  return new Map(pairs)
}
