import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'

const features = ['guard', 'tailnet', 'sync', 'strategies', 'health', 'data', 'report']

/** The only files that may import these packages. */
const owners: Record<string, (file: string) => boolean> = {
  '@actions/core': (file) => ['src/main.ts', 'src/post.ts', 'src/inputs.ts', 'src/report/sink.ts'].includes(file),
  '@actions/exec': (file) => file === 'src/runner/exec.ts',
  '@actions/http-client': (file) => file === 'src/runner/http.ts',
  '@actions/github': (file) => file === 'src/report/github.ts',
  'node-ssh': (file) => file === 'src/remote/ssh.ts',
  ssh2: (file) => file.startsWith('src/remote/'),
}

test('every import of src goes down, and every package stays with its owner', () => {
  const files = globSync('src/**/*.ts').map((file) => file.replaceAll('\\', '/'))
  expect(files).not.toHaveLength(0)
  expect(files.flatMap((file) => violations(file, readFileSync(file, 'utf8')))).toEqual([])
})

test('the entry loads the shim first: without it ssh2 ends the bundle at start', () => {
  expect(importsOf(readFileSync('src/main.ts', 'utf8'))[0]).toBe('./remote/dirname-shim.ts')
})

test.each([
  ['an import that goes up', 'src/sync/rsync.ts', `import type { Plan } from '../pipeline/plan.ts'`],
  ['a re-export that goes up', 'src/remote/host.ts', `export { deploy } from '../pipeline/deploy.ts'`],
  ['a dynamic import that goes up', 'src/runner/exec.ts', `const x = await import('../sync/rsync.ts')`],
  ['a type import that goes up', 'src/health/poll.ts', `let x: import('../inputs/read.ts').Inputs`],
  ['an import over many lines', 'src/health/poll.ts', `import {\n  a,\n  b,\n} from '../main.ts'`],
  ['a bare import that goes up', 'src/pipeline/deploy.ts', `import '../post.ts'`],
  ['a sibling', 'src/strategies/uv.ts', `import { sync } from '../sync/rsync.ts'`],
  ['a sibling, from a folder in the folder', 'src/strategies/nix/a.ts', `import { sync } from '../../sync/rsync.ts'`],
  ['a package in the ground', 'src/shell.ts', `import { parse } from 'yaml'`],
  ['ground that looks up', 'src/errors.ts', `import { quote } from './remote/host.ts'`],
  ['@actions/core in a feature', 'src/report/summary.ts', `import * as core from '@actions/core'`],
  ['@actions/exec outside its file', 'src/main.ts', `import { exec } from '@actions/exec'`],
  ['@actions/github outside its file', 'src/report/sink.ts', `import { getOctokit } from '@actions/github'`],
  ['node-ssh outside its file', 'src/remote/host.ts', `import { NodeSSH } from 'node-ssh'`],
  ['ssh2 outside remote/', 'src/sync/rsync.ts', `import type { Client } from 'ssh2'`],
  ['a folder nobody ranked', 'src/utils/misc.ts', ''],
])('%s is noticed', (_, file, text) => {
  expect(violations(file, text)).toHaveLength(1)
})

test.each([
  ['src/main.ts', `import * as core from '@actions/core'\nimport { deploy } from './pipeline/deploy.ts'`],
  [
    'src/pipeline/deploy.ts',
    `import { strategies } from '../strategies/index.ts'\nimport { quote } from '../shell.ts'`,
  ],
  [
    'src/strategies/uv.ts',
    `import { defineStrategy } from './strategy.ts'\nimport type { Facts } from '../remote/facts.ts'`,
  ],
  ['src/sync/tar.ts', `import { pack } from 'tar-stream'\nimport { exec } from '../runner/exec.ts'`],
  ['src/remote/ssh.ts', `import { NodeSSH } from 'node-ssh'\nimport ssh2 from 'ssh2'`],
  ['src/remote/session.ts', `import type { ClientChannel } from 'ssh2'`],
  ['src/shell.ts', `import { inspect } from 'node:util'\nimport { sleep } from './clock.ts'`],
  ['src/strategies/script.ts', `const text = "import sqlite3 from '../main.ts'"\nexport const name = '../main.ts'`],
])('%s may do this', (file, text) => {
  expect(violations(file, text)).toEqual([])
})

/** What is wrong with the imports of a file, in words. */
function violations(file: string, text: string): string[] {
  if (layer(file) === 'unknown') return [`${file}: no layer is known for this folder`]
  return importsOf(text).flatMap((from) => {
    const problem = from.startsWith('.') ? judgeFile(file, from) : judgePackage(file, from)
    return problem ? [`${file} imports ${from}: ${problem}`] : []
  })
}

function judgeFile(file: string, from: string): string | undefined {
  const target = posix.join(posix.dirname(file), from)
  const ranks = ['ground', 'remote', 'feature', 'pipeline', 'entry']
  if (ranks.indexOf(layer(target)) > ranks.indexOf(layer(file))) return `${layer(file)} may not import ${layer(target)}`
  if (layer(file) === 'feature' && folder(file) !== folder(target) && layer(target) === 'feature') {
    return 'features do not import each other'
  }
  return undefined
}

function judgePackage(file: string, from: string): string | undefined {
  if (from.startsWith('node:')) return undefined
  if (layer(file) === 'ground') return 'ground imports node: modules only'
  return owners[from]?.(file) === false ? 'another file owns this package' : undefined
}

function layer(file: string): string {
  const top = folder(file)
  if (['main.ts', 'post.ts', 'inputs.ts', 'inputs'].includes(top)) return 'entry'
  if (top === 'pipeline') return 'pipeline'
  if (features.includes(top)) return 'feature'
  if (['remote', 'runner'].includes(top)) return 'remote'
  return top.endsWith('.ts') ? 'ground' : 'unknown'
}

/** The first name below src: a folder, or a file of the ground or the entry. */
function folder(file: string): string {
  return file.split('/')[1] ?? ''
}

function importsOf(text: string): string[] {
  // A statement begins its line, and no quote or `=` stands before the name: text of a script in a string does not match.
  const statements = text.matchAll(/^(?:import|export)\b(?:[^'"`;=]*?\bfrom)?\s*['"]([^'"]+)['"]/gm)
  const calls = text.matchAll(/(?<![\w'"`])import\(\s*['"]([^'"]+)['"]/g)
  return [...statements, ...calls].map(([, from]) => from ?? '')
}
