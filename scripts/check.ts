// `npm run check [name…]`: what must hold besides the tests. Every check runs, even when an earlier one failed.
import { spawnSync } from 'node:child_process'

const checks = {
  lint: [['biome', 'ci', '--error-on-warnings', '--diagnostic-level=warn', '--colors=off']],
  types: [
    ['tsc', '--noEmit', '-p', '.'],
    ['tsc', '-p', '__tests__'],
  ],
  knip: [['knip']],
  docs: [['node', 'scripts/docs.ts', '--check']],
  dist: [['node', 'scripts/build.ts', '--check']],
} satisfies Record<string, string[][]>
type Name = keyof typeof checks

const all = Object.keys(checks) as Name[]
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !Object.hasOwn(checks, name))
if (unknown.length > 0) throw new Error(`No such check: ${unknown.join(', ')}. There are ${all.join(', ')}.`)

const failed = (asked.length > 0 ? (asked as Name[]) : all).filter((name) => {
  console.log(`\n# ${name}`)
  // filter, not every: the type check of the tests is worth reading although the one of src failed.
  return checks[name].filter((command) => !passes(command)).length > 0
})
console.log(failed.length > 0 ? `\nFailed: ${failed.join(', ')}` : '\nAll checks passed.')
process.exitCode = failed.length > 0 ? 1 : 0

/** scripts/run.mjs has put node_modules/.bin first on the PATH. */
function passes([command, ...args]: string[]): boolean {
  return spawnSync(command ?? '', args, { stdio: 'inherit' }).status === 0
}
