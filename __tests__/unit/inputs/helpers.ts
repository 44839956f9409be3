import { DeployError } from '../../../src/errors.ts'
import type { Raw, Reader, Refuse } from '../../../src/inputs/form.ts'
import { loadInputs } from '../../../src/inputs.ts'
import type { Plan } from '../../../src/pipeline/plan.ts'
import { makeKey } from '../../helpers/keys.ts'

export const key = makeKey()

/** The environment of the smallest sound run. */
export const enough = {
  GITHUB_WORKSPACE: '/work space',
  GITHUB_REPOSITORY: 'acme/shop',
  'INPUT_SSH-KEY': key.private,
  INPUT_HOST: 'deploy@nas.example.org',
  INPUT_PATH: '/srv/shop',
}

type Env = Record<string, string>

/** Loads the inputs as if the repository had these files. */
export function load(env: Env = {}, files: Env = {}) {
  return loadInputs(env, (file) => files[file.replace('/work space/', '')])
}

export function planOf(env: Env = {}, config?: string): Plan {
  const loaded = load({ ...enough, ...env }, config === undefined ? {} : { '.github/homelab-deploy.yml': config })
  if (!('plan' in loaded)) throw new Error('skipped')
  return loaded.plan
}

/** The error of a run that has to be refused. */
export function refusal(env: Env = {}, config?: string): DeployError {
  try {
    planOf(env, config)
  } catch (thrown) {
    if (thrown instanceof DeployError) return thrown
    throw thrown
  }
  throw new Error('nothing was refused')
}

export function textOf(error: DeployError): string {
  return [error.code, error.why, `${error.what} ${error.fix}`, error.detail].join('\n')
}

/** What a parser returns for a text, and what it says against it. */
export function read<T>(reader: Reader<T>, text: string): { value: T | undefined; said: string[] } {
  const said: string[] = []
  const refuse: Refuse = (what, fix, value) => {
    said.push(`${value ?? ''} ${what}. ${fix}`)
    return undefined
  }
  return { value: reader(text, refuse), said }
}

export function raw(text: string): Raw {
  return { text, from: '' }
}
