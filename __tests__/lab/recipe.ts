import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { yamlBlocks } from '../helpers/yaml-blocks.ts'

/** The inputs of a recipe as its page shows them: what people copy is what is tested. */
export function recipe(page: string, values: Readonly<Record<string, string>>, block = 0): Record<string, string> {
  const { jobs } = parse(blockOf(page, block)) as {
    jobs: Record<string, { steps: { uses?: string; with?: Record<string, unknown> }[] }>
  }
  const steps = Object.values(jobs).flatMap((job) => job.steps)
  const ours = steps.find(({ uses }) => uses?.includes('/homelab-deploy@'))?.with
  if (ours === undefined) throw new Error(`docs/recipes/${page}.md has no step of ours in its block ${block}`)
  const fill = (value: unknown) =>
    String(value).replace(/\$\{\{ *\w+\.(\w+)(?: \|\| '\w+')? *\}\}/g, (_, name: string) => {
      if (values[name] === undefined) throw new Error(`what is ${name} of docs/recipes/${page}.md?`)
      return values[name]
    })
  // The lab's runner is in the network of its hosts; the tailnet has tests of its own.
  const kept = Object.entries(ours).filter(([name]) => !name.startsWith('tailnet-'))
  return Object.fromEntries(kept.map(([name, value]) => [name, fill(value)]))
}

/** A block of YAML of the page. */
export function blockOf(page: string, block: number): string {
  return yamlBlocks(`docs/recipes/${page}.md`)[block] ?? ''
}

/** A file that the page shows by its name, such as ```yaml docker-compose.yml. */
export function fileOf(page: string, name: string): string {
  const text = readFileSync(`docs/recipes/${page}.md`, 'utf8')
  const start = `\`\`\`yaml ${name}\n`
  const at = text.indexOf(start)
  if (at < 0) throw new Error(`docs/recipes/${page}.md shows no ${name}`)
  return text.slice(at + start.length, text.indexOf('\n```', at) + 1)
}
