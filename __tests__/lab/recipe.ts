import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { parse } from 'yaml'
import type { RunResult } from '../helpers/run-action.ts'
import { yamlBlocks } from '../helpers/yaml-blocks.ts'

interface Step {
  readonly id?: string
  readonly if?: string
  readonly with: Readonly<Record<string, unknown>>
}

/** The inputs of a recipe as its page shows them: what people copy is what is tested. */
export function recipe(page: string, values: Readonly<Record<string, string>>, block = 0): Record<string, string> {
  const [step] = stepsOf(page, block)
  return inputsOf(page, step as Step, (name) => values[name])
}

/** A whole job of a recipe, as the runner runs it: step by step, each by its `if` and with the outputs of those before. */
export async function runJob(
  page: string,
  values: Readonly<Record<string, string>>,
  block: number,
  run: (inputs: Record<string, string>) => Promise<RunResult>,
): Promise<(RunResult | undefined)[]> {
  const results: (RunResult | undefined)[] = []
  const known: Record<string, string> = {}
  const look = (name: string) => (name.startsWith('steps.') ? (known[name] ?? '') : values[name])
  for (const step of stepsOf(page, block)) {
    const failed = results.some((result) => result !== undefined && result.exitCode !== 0)
    const expression = (step.if ?? 'success()').replace(/steps(\.[\w-]+)+/g, (name) => JSON.stringify(look(name)))
    const wanted = runInNewContext(expression, { always: () => true, success: () => !failed, failure: () => failed })
    const result = wanted ? await run(inputsOf(page, step, look)) : undefined
    results.push(result)
    known[`steps.${step.id}.outcome`] = result === undefined ? 'skipped' : result.exitCode === 0 ? 'success' : 'failure'
    for (const [name, value] of Object.entries(result?.outputs ?? {})) known[`steps.${step.id}.outputs.${name}`] = value
  }
  return results
}

function stepsOf(page: string, block: number): Step[] {
  const { jobs } = parse(blockOf(page, block)) as { jobs: Record<string, { steps: (Step & { uses?: string })[] }> }
  const steps = Object.values(jobs).flatMap((job) => job.steps)
  const ours = steps.filter(({ uses }) => uses?.includes('/homelab-deploy@'))
  if (ours.length === 0) throw new Error(`docs/recipes/${page}.md has no step of ours in its block ${block}`)
  return ours
}

function inputsOf(page: string, step: Step, look: (name: string) => string | undefined): Record<string, string> {
  const fill = (value: unknown) =>
    String(value).replace(
      /\$\{\{ *(steps\.[\w.-]+|\w+\.(\w+))(?: \|\| '\w+')? *\}\}/g,
      (_, all: string, name = all) => {
        const value = look(name)
        if (value === undefined) throw new Error(`what is ${name} of docs/recipes/${page}.md?`)
        return value
      },
    )
  // The lab's runner is in the network of its hosts; the tailnet has tests of its own.
  const kept = Object.entries(step.with).filter(([name]) => !name.startsWith('tailnet-'))
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
