import type { Settings } from './config-file.ts'
import type { Refuse } from './form.ts'
import type { Problems } from './problems.ts'
import { type InputSpec, inputNames, specs, type Values } from './spec.ts'

/** Every input as its form reads it: what was given, else the default, else nothing. */
export function readValues(given: Settings, problems: Problems): Values {
  const values = inputNames.map((name) => {
    const spec: InputSpec = specs[name]
    const raw = given.get(name)
    const usual = defaultOf(spec)
    if (raw === undefined) return [name, usual]
    const refuse = problems.refuser({ input: name, from: raw.from, secret: spec.secret === true })
    return [name, spec.form.read(raw, refuse) ?? usual]
  })
  return Object.fromEntries(values) as Values
}

function defaultOf({ form, default: text }: InputSpec): unknown {
  return text === undefined ? form.empty : form.read({ text, from: '' }, ignore)
}

const ignore: Refuse = () => undefined
