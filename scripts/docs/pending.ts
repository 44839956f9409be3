import { DeployError } from '../../src/errors.ts'
import type { Refuse } from '../../src/inputs/form.ts'
import { inputNames, specs } from '../../src/inputs/spec.ts'
import { loadInputs } from '../../src/inputs.ts'
import { strategies } from '../../src/strategies/index.ts'

const end = / (is|are) not built yet$/

/** What is refused by its name for now: whole inputs, and single values of the others. */
export function pendingList(): string {
  const reasons = new Map<string, string[]>()
  const note = (reason: string, what: string) => {
    const short = reason.replace(/^: /, '').replace(end, '')
    reasons.set(short, [...(reasons.get(short) ?? []), what])
  }
  for (const name of inputNames) {
    const { pending } = specs[name]
    if (pending !== undefined) note(pending, `\`${name}\``)
    else for (const [value, reason] of refusedValues(name)) note(reason, `\`${name}: ${value}\``)
  }
  for (const reason of refusedTogether()) note(reason, 'several lines of `host`')
  if (reasons.size === 0) return 'Nothing: every input in the tables works.'
  return [...reasons].map(([reason, what]) => `- ${reason}: ${what.join(', ')}`).join('\n')
}

/** The words an input knows, and why it refuses them: its own parser says it. */
function refusedValues(name: (typeof inputNames)[number]): [string, string][] {
  const { form, description } = specs[name]
  const offered = Array.isArray(form.schema.enum) ? form.schema.enum.map(String) : []
  const mentioned = [...description.matchAll(/`([\w-]+)`/g)].map(([, word]) => word ?? '')
  return [...new Set([...offered, ...mentioned])].flatMap((value): [string, string][] => {
    const said: string[] = []
    const refuse: Refuse = (what) => void said.push(what)
    form.read({ text: value, from: '' }, refuse)
    const reason = said.find((what) => end.test(what))
    return reason === undefined ? [] : [[value, reason]]
  })
}

/** What only the rules between the inputs refuse. */
function refusedTogether(): string[] {
  try {
    loadInputs({ INPUT_HOST: 'one.example.org\ntwo.example.org' }, () => undefined)
  } catch (error) {
    const said = error instanceof DeployError ? `${error.what}\n${error.fix}` : ''
    return [...said.matchAll(/: ([^:.]* (?:is|are) not built yet)/g)].map(([, reason]) => reason ?? '')
  }
  return []
}

/** The strategies that work, with what they do. */
export function strategyTable(): string {
  const rows = strategies.map(({ name, summary }) => `| \`${name}\` | ${summary} |`)
  return ['| `strategy` | How the new version starts |', '| --- | --- |', ...rows].join('\n')
}
