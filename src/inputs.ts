import { buildPlan } from './inputs/build-plan.ts'
import { emptySecrets } from './inputs/empty-secrets.ts'
import { gather } from './inputs/gather.ts'
import { secretsIn } from './inputs/masks.ts'
import { Problems } from './inputs/problems.ts'
import { type ReadFile, readInside } from './inputs/read-inside.ts'
import { readValues } from './inputs/read-values.ts'
import { readRequired } from './inputs/required.ts'
import { checkRules } from './inputs/rules.ts'
import { type Environment, workspaceOf } from './inputs/run.ts'
import type { Plan } from './pipeline/plan.ts'
import { Redactor } from './report/redact.ts'

export { secretsIn } from './inputs/masks.ts'

/** What to do, or that nothing is to be done because the secrets named are absent (`if-unconfigured: skip`). */
export type Loaded =
  | { readonly plan: Plan; readonly secrets: readonly string[] }
  | { readonly skip: readonly string[]; readonly secrets: readonly string[] }

/**
 * Reads the inputs from the environment and the config file, and says everything that is wrong with them in one
 * DeployError. Mask `secretsIn(env)` before calling this, so that masking does not depend on the inputs being sound.
 */
export function loadInputs(env: Environment, readFile: ReadFile = readInside): Loaded {
  const secrets = secretsIn(env)
  const redactor = new Redactor()
  for (const secret of secrets) if (secret.length >= 4) redactor.add(secret)
  const empty = emptySecrets(env, workspaceOf(env), readFile)
  const problems = new Problems((text) => redactor.redact(text), empty)

  const given = gather(env, readFile, problems)
  const values = readValues(given.inputs, problems)
  checkRules(values, given, env, problems, empty)

  const absent = problems.onlyAbsent()
  if (absent && values['if-unconfigured'] === 'skip') return { skip: absent, secrets }
  const required = readRequired(values, given, env, problems)
  problems.throwIfAny()
  return { plan: buildPlan(values, given.inputs, env, required), secrets }
}
