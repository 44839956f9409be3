import type { Plan } from '../pipeline/plan.ts'
import { readAddress } from './address.ts'
import { buildPlan, isHive } from './build-plan.ts'
import { didYouMean } from './closest.ts'
import { readPattern } from './colmena.ts'
import type { Given } from './gather.ts'
import type { Problems } from './problems.ts'
import { readValues } from './read-values.ts'
import type { Environment } from './run.ts'
import type { Values } from './spec.ts'

/** What `require-release` means: the plan of a deploy to where this commit has to be healthy first. */
export function readRequired(values: Values, given: Given, env: Environment, problems: Problems): Plan | undefined {
  const wanted = values['require-release']
  if (wanted === '') return undefined
  const refuse = problems.refuser({
    input: 'require-release',
    from: given.inputs.get('require-release')?.from ?? '',
  })
  if (wanted === given.inputs.get('target')?.text.trim()) {
    return refuse('is the target itself', 'Name the one that comes before it.', wanted)
  }
  if (given.targets.includes(wanted)) {
    const settings = given.forTarget(wanted)
    const there = readValues(settings, problems)
    const placed = isHive(there, env) ? there.nodes.length > 0 : there.host.length > 0
    if (placed) return buildPlan(there, settings, env)
    return refuse('names a target without hosts', 'Give that target its `host` or `nodes` in the config file.', wanted)
  }
  const nothing = () => undefined
  const [host, node] = [readAddress(wanted, nothing), readPattern(wanted, nothing)]
  if (isHive(values, env) && node !== undefined && !/[.:]|.@/.test(wanted)) {
    return buildPlan({ ...values, host: [], nodes: [node] }, given.inputs, env)
  }
  if (host !== undefined && /[@.:]/.test(wanted)) return buildPlan({ ...values, host: [host] }, given.inputs, env)
  const fix = `${didYouMean(wanted, given.targets)}Name a target of the config file${given.targets.length > 0 ? ` (${given.targets.join(', ')})` : ''}, or a host as \`user@host\`.`
  return refuse('is no target', fix, wanted)
}
