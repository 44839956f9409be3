// `npm run build`: src → lib (tsc) → dist (ncc). With --check: builds beside dist and says where the two differ.
//
// Why two steps: ncc cannot compile TypeScript 7 itself. Why no install scripts may have run: ncc would copy the
// native add-ons they built into dist, which then depends on the machine.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filesOf, problemsOf } from './sound.ts'

/** A file of its own beside the bundle: rsync and git start it as their ssh command. */
const bridge = 'lib/remote/bridge.js'
process.chdir(join(import.meta.dirname, '..'))

const fresh = mkdtempSync(join(tmpdir(), 'homelab-deploy-dist-'))
process.on('exit', () => rmSync(fresh, { recursive: true }))
bundle(fresh)
const problems = problemsOf(fresh)
if (problems.length > 0) fail('The bundle is not sound:', problems)
if (process.argv.includes('--check')) compare(fresh, 'dist')
else replaceDist(fresh)

function bundle(out: string): void {
  rmSync('lib', { recursive: true, force: true })
  tool('tsc', '-p', '.')
  tool('ncc', 'build', 'lib/main.js', '--out', out, '--no-cache', '--quiet', '--license', 'licenses.txt')
  // ssh2's helper for PuTTY's agent: a Windows program has no place in an action for Linux.
  rmSync(join(out, 'pagent.exe'), { force: true })
  if (existsSync(bridge)) {
    assertOnlyNodeImports(bridge)
    copyFileSync(bridge, join(out, 'bridge.js'))
  }
}

function tool(name: string, ...args: string[]): void {
  const { status } = spawnSync(join('node_modules/.bin', name), args, { stdio: 'inherit' })
  if (status !== 0) fail('Not built:', [`${name} ${args.join(' ')}`])
}

function assertOnlyNodeImports(file: string): void {
  const imports = [...readFileSync(file, 'utf8').matchAll(/^import\b[^'"]*['"]([^'"]+)['"]/gm)].map(
    ([, from]) => from ?? '',
  )
  const others = imports.filter((from) => !from.startsWith('node:'))
  if (others.length > 0) fail(`${file} is not bundled, so it may import node: modules only. It imports:`, others)
}

function compare(expected: string, committed: string): void {
  const files = new Set([...filesOf(expected), ...filesOf(committed)])
  const differing = [...files].filter((file) => !sameContent(join(expected, file), join(committed, file)))
  if (differing.length > 0)
    fail('dist is not what the source builds to. Run `npm run build` and commit dist. Differing:', differing)
  console.log(`dist is what the source builds to (${files.size} files).`)
}

function sameContent(one: string, other: string): boolean {
  return existsSync(one) && existsSync(other) && readFileSync(one).equals(readFileSync(other))
}

function replaceDist(from: string): void {
  rmSync('dist', { recursive: true, force: true })
  cpSync(from, 'dist', { recursive: true })
  for (const file of filesOf('dist'))
    console.log(`${(statSync(join('dist', file)).size / 1024).toFixed(0).padStart(6)} kB  dist/${file}`)
}

function fail(message: string, lines: string[]): never {
  console.error([message, ...lines.map((line) => `  ${line}`)].join('\n'))
  process.exit(1)
}
