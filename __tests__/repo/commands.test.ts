import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fences, jobsOf, yamlBlocks } from '../helpers/documents.ts'

// Every command that the documents tell somebody to type: it parses, and a test runs it, or here is said why none does.
const ranIn: readonly (readonly [RegExp, string])[] = [
  [/^(useradd|install|visudo|usermod|loginctl) |^cat \/etc\/ssh\//, 'lab/setup-guide'],
  [/^(cd \/var\/lib\/homelab-deploy|\.\/rollback|tar|sqlite3|ssh-keygen)\b/, 'scenario/documented-commands'],
  [/^act push /, 'runners/push'],
  [/^headscale preauthkeys create /, 'lab/tailnet'],
  [/^runuser -u postgres -- (createdb|pg_restore) /, 'lab/data'],
]
const notRun: readonly (readonly [RegExp, string])[] = [
  [/^gh /, 'it speaks to GitHub itself'],
  [/^jq /, 'jq is no part of a fresh machine'],
  [/^shred -u deploy_key$/, 'it deletes what the line before has stored'],
  [/^curl -fsSL https:\/\/tailscale\.com\/|^sudo tailscale up /, 'the lab joins by Headscale, without the installer'],
]

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
const blocks = fences('sh')

/** Without what is handed to them: one a line. */
function commandsOf(text: string): string[] {
  return text
    .replaceAll(/<<'(\w+)'\n.*?^\1$/gms, '')
    .split('\n')
    .map((line) => line.replace(/ +#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

const parses = (text: string) => spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' }).stderr

describe('commands in the documents', () => {
  test.each(blocks.map((block) => [`${block.page}, line ${block.line}`, block] as const))('%s', (_, { text }) => {
    expect(parses(text)).toBe('')
    const commands = commandsOf(text)
    expect(commands).not.toEqual([])
    for (const command of commands) {
      const [, script] = /^npm (?:run )?(\w+)/.exec(command) ?? []
      if (script !== undefined) expect(scripts).toHaveProperty(script)
      else expect([command, ...[...ranIn, ...notRun].filter(([like]) => like.test(command))]).toHaveLength(2)
    }
  })

  test('each that is run, or is not, is still there', () => {
    const all = blocks.flatMap(({ text }) => commandsOf(text))
    expect([...ranIn, ...notRun].filter(([like]) => !all.some((command) => like.test(command)))).toEqual([])
    expect(ranIn.filter(([, file]) => !existsSync(`__tests__/${file}.test.ts`))).toEqual([])
  })

  test('npm scripts that are named in a sentence exist', () => {
    const named = fencelessMentions()
    expect(named.length).toBeGreaterThan(3)
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([])
  })

  test('steps of the workflows beside ours parse, too', () => {
    const runs = yamlBlocks().flatMap((block) =>
      jobsOf(block).flatMap(({ steps }) => steps.map(({ run }) => run ?? '')),
    )
    for (const run of runs) expect(parses(run)).toBe('')
  })
})

function fencelessMentions(): string[] {
  const pages = ['README.md', 'CONTRIBUTING.md', 'docs/comparison.md']
  return pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/`npm run (\w+)/g)].map(([, name = '']) => name),
  )
}
