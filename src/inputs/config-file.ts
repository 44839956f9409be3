import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { didYouMean } from './closest.ts'
import { readValue, resolveAlias } from './config-value.ts'
import type { Raw } from './form.ts'
import type { Problems } from './problems.ts'
import { type InputName, inputNames, isInputName, specs } from './spec.ts'

export type Settings = ReadonlyMap<InputName, Raw>

export interface Config {
  readonly defaults: Settings
  readonly targets: ReadonlyMap<string, Settings>
}

/** Reads the text of a config file; `file` is its name in messages. */
export function parseConfig(text: string, file: string, problems: Problems): Config {
  return new ConfigReader(text, file, problems).read()
}

const layout = 'The file holds `defaults:` and `targets:`, and under them inputs of this action.'
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

interface Entry {
  readonly key: string
  readonly value: unknown
  /** For messages: file and line. */
  readonly place: string
}

class ConfigReader {
  readonly #lines = new LineCounter()
  readonly #document: Document
  readonly #file: string
  readonly #problems: Problems

  constructor(text: string, file: string, problems: Problems) {
    this.#document = parseDocument(text, { prettyErrors: false, lineCounter: this.#lines })
    this.#file = file
    this.#problems = problems
  }

  read(): Config {
    for (const { code, message, pos } of [...this.#document.errors, ...this.#document.warnings]) {
      const fix =
        code === 'DUPLICATE_KEY'
          ? 'Remove one of the two.'
          : 'Correct that line; quotes help around text with `*`, `:` or `#`.'
      this.#wrong(this.#place(pos[0]), `is not valid YAML: ${message.replace(/[.\s]+$/, '')}`, fix)
    }
    // What cannot be read as a whole is not judged in parts.
    const top =
      this.#document.errors.length > 0 ? [] : this.#entries(this.#document.contents, 'at its top', this.#place(0))
    let defaults: Settings = new Map()
    let targets: Config['targets'] = new Map()
    for (const { key, value, place } of top) {
      if (key === 'defaults') defaults = this.#settings(value, 'under `defaults`', place)
      else if (key === 'targets') targets = this.#targets(value, place)
      else if (isInputName(key))
        this.#wrong(place, `has \`${key}\` at its top`, 'Move it under `defaults:`, or under one of `targets:`.')
      else this.#wrong(place, `has the unknown key \`${key}\``, didYouMean(key, ['defaults', 'targets']) + layout)
    }
    return { defaults, targets }
  }

  #targets(value: unknown, at: string): Map<string, Settings> {
    const targets = new Map<string, Settings>()
    for (const { key, value: settings, place } of this.#entries(value, 'under `targets`', at)) {
      if (!plainName.test(key))
        this.#wrong(place, 'has a target without a plain name', 'Use letters, digits, `.`, `_` and `-`.')
      targets.set(key, this.#settings(settings, `under the target \`${key}\``, place))
    }
    return targets
  }

  #settings(value: unknown, where: string, at: string): Settings {
    const settings = new Map<InputName, Raw>()
    for (const { key, value: given, place } of this.#entries(value, where, at)) {
      const refuse = this.#problems.refuser({ input: key, from: place })
      if (!isInputName(key)) {
        refuse('is not an input of this action', `${didYouMean(key, inputNames)}All are listed in docs/inputs.md.`)
      } else if (specs[key].secret) {
        const leaked = 'If a real value was committed, others know it now: replace it.'
        refuse('is a secret, and this file is committed', `Give it in the workflow, from \`secrets.…\`. ${leaked}`)
      } else if (specs[key].workflowOnly) {
        refuse('has no place in the config file', 'Give it in the workflow.')
      } else {
        const read = readValue(given, this.#document)
        if (typeof read === 'string') refuse(read, 'Write text, or a list of texts where several are allowed.')
        else if (read?.items && !specs[key].form.list)
          refuse('takes no list', 'Write one value; text of several lines goes after `|`.')
        else if (read) settings.set(key, { ...read, from: place })
      }
    }
    return settings
  }

  /** The entries of a mapping. Nothing at all is an empty one, as where all lines are commented out. */
  #entries(value: unknown, where: string, at: string): Entry[] {
    const node = resolveAlias(value, this.#document)
    if (node === null || (isScalar(node) && node.value === null)) return []
    if (!isMap<Node, unknown>(node)) {
      this.#wrong(at, `has no mapping ${where}`, layout)
      return []
    }
    return node.items.map(({ key, value }) => ({
      key: isScalar(key) ? String(key.source ?? key.value) : '',
      value,
      place: this.#place(key.range?.[0]),
    }))
  }

  #place(offset = 0): string {
    return `${this.#file}, line ${Math.max(1, this.#lines.linePos(offset).line)}`
  }

  #wrong(place: string, what: string, fix: string): void {
    this.#problems.refuser({ input: 'config', from: place })(what, fix)
  }
}
