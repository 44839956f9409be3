// `npm run docs`: writes what is derived from the tables in src; with `--check` it only says what is stale.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { actionYaml } from './docs/action.ts'
import { errorsPage } from './docs/errors.ts'
import { configSchema } from './docs/schema.ts'
import { inputIndex, inputsPage, outputTable, strategyTable } from './docs/tables.ts'

const root = join(import.meta.dirname, '..')

/** The files that are out of date, with the text that they should have. */
export function staleFiles(): Map<string, string> {
  const wanted = new Map([
    ['action.yml', actionYaml()],
    ['docs/config.schema.json', configSchema()],
    ['docs/errors.md', errorsPage()],
    ['docs/inputs.md', inputsPage()],
  ])
  const readme = read('README.md')
  const marked = {
    index: inputIndex(),
    outputs: outputTable(),
    strategies: strategyTable(),
  }
  if (readme)
    wanted.set(
      'README.md',
      Object.entries(marked).reduce((page, [name, text]) => fill(page, name, text), readme),
    )
  return new Map([...wanted].filter(([file, text]) => read(file) !== text))
}

/** Puts text between `<!-- name -->` and `<!-- /name -->`, where a page has these marks. */
export function fill(page: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 && to < 0) return page
  if (from < 0 || to < from) throw new Error(`README.md needs ${start} and after it ${end}`)
  return `${page.slice(0, from + start.length)}\n${text.trim()}\n${page.slice(to)}`
}

function read(file: string): string | undefined {
  const path = join(root, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function main(check: boolean): void {
  const stale = staleFiles()
  if (check && stale.size > 0) {
    console.error(`Stale: ${[...stale.keys()].join(', ')}. Run \`npm run docs\`.`)
    process.exitCode = 1
    return
  }
  for (const [file, text] of stale) {
    writeFileSync(join(root, file), text)
    console.log(`Wrote ${file}`)
  }
}

if (import.meta.main) main(process.argv.includes('--check'))
