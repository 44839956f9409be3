import { didYouMean } from './closest.ts'
import type { Raw } from './form.ts'
import type { Problems } from './problems.ts'
import type { Environment } from './run.ts'
import { type InputName, inputNames } from './spec.ts'

/** The variable in which the runner passes an input: upper case, hyphens stay. */
export function variableOf(name: string): string {
  return `INPUT_${name.toUpperCase()}`
}

/** The inputs that the workflow gives. The runner sets the others to nothing, so an empty input is one not given. */
export function readWorkflow(env: Environment, problems: Problems): Map<InputName, Raw> {
  const names = new Map(inputNames.map((name) => [variableOf(name), name]))
  const given = new Map<InputName, Raw>()
  for (const [variable, value = ''] of Object.entries(env)) {
    if (!variable.startsWith('INPUT_')) continue
    const name = names.get(variable)
    if (name === undefined) {
      const wrong = variable.slice('INPUT_'.length).toLowerCase()
      problems.refuser({ input: wrong })(
        'is not an input of this action',
        `${didYouMean(wrong, inputNames)}All are listed in docs/inputs.md.`,
      )
    } else if (value.trim() !== '') {
      given.set(name, { text: value, from: '' })
    }
  }
  return given
}
