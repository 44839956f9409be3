import { globSync, readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'

/** Every page that people read: at the top, and below docs. */
export const pages = globSync(['*.md', 'docs/**/*.md']).sort()
export const textOf = (page: string): string => readFileSync(page, 'utf8')

/** A fenced piece of a page, without the indentation of the list that it stands in. */
export interface Fence {
  readonly page: string
  readonly line: number
  readonly text: string
}

/** Those whose first line is exactly this word, such as `sh`. */
export function fences(language: string): Fence[] {
  return pages.flatMap((page) => {
    const all = textOf(page).matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\`$`, 'gms'))
    return [...all].map(({ 1: indent = '', 2: text = '', index }) => {
      const line = textOf(page).slice(0, index).split('\n').length
      return { page, line, text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), '') }
    })
  })
}

export interface Block extends Fence {
  // biome-ignore lint/suspicious/noExplicitAny: it is about any YAML that somebody may have written
  readonly value: any
}

/** All YAML but files that are shown by their name; what is no YAML at all throws. */
export function yamlBlocks(): Block[] {
  return fences('ya?ml').map((fence) => {
    const document = parseDocument(fence.text)
    const [problem] = [...document.errors, ...document.warnings]
    if (problem) throw new Error(`${fence.page}, line ${fence.line}: ${problem.message}`)
    return { ...fence, value: document.toJS() }
  })
}

export interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Record<string, unknown>
}

export interface Job {
  readonly steps: readonly Step[]
  readonly strategy?: { readonly matrix: Record<string, string[]> }
}

/** The jobs of a workflow; steps that stand alone are one. */
export function jobsOf({ value }: Block): Job[] {
  if (value?.jobs) return Object.values(value.jobs)
  const steps = value?.steps ?? value
  return Array.isArray(steps) ? [{ steps }] : []
}

export const isOurs = ({ uses }: Step): boolean => /\bhomelab-deploy@/.test(uses ?? '')

/** Each set of values that a job is run with: every combination, as GitHub makes them. */
export function matrixOf({ strategy }: Job): Record<string, string>[] {
  return Object.entries(strategy?.matrix ?? {}).reduce<Record<string, string>[]>(
    (sets, [name, values]) => sets.flatMap((set) => values.map((value) => ({ ...set, [name]: value }))),
    [{}],
  )
}

/** The config file that a step with this `target` reads; a page may speak of the one that another page shows. */
export function configFor(target: string, page: string, blocks: readonly Block[]): Block | undefined {
  const files = blocks.filter(({ value }) => value?.targets && target in value.targets)
  return files.find((file) => file.page === page) ?? files[0]
}
