import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { codes } from '../../src/codes.ts'

const repository = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(file))

test('every error code in use is documented, and every documented one is in use', () => {
  const sources = globSync('src/**/*.ts').filter((file) => file !== 'src/codes.ts')
  const used = new Set(sources.flatMap((file) => readFileSync(file, 'utf8').match(/\bHD-[A-Z]+-\d+\b/g) ?? []))
  expect([...used].sort()).toEqual(Object.keys(codes).sort())
})

test('no test is switched off or alone', () => {
  expect(linesWith(/\b(?:it|test|describe|suite)\.(?:only|skip|todo)\b/, globSync('__tests__/**/*.ts'))).toEqual([])
})

test('workflows use actions of others by commit, with the version beside it', () => {
  const uses = linesWith(/\buses:/, globSync('.github/workflows/*.yml'))
  expect(uses).not.toHaveLength(0)
  const pinned = /uses: (?:\.\/|[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/
  expect(uses.filter((line) => !pinned.test(line))).toEqual([])
})

test('nothing tells where it was made: no path of one machine, no package registry', () => {
  const machine = /(?<![\w.}-])\/work\//
  const registry = /\b(?:registry\.(?:npmjs\.org|yarnpkg\.com)|proxy\.golang\.org|files\.pythonhosted\.org|pypi\.org)\b/
  const files = repository.filter((file) => !file.startsWith('dist/') && file !== '__tests__/repo/hygiene.test.ts')
  expect(linesWith(machine, files)).toEqual([])
  expect(linesWith(registry, files)).toEqual([])
})

function linesWith(pattern: RegExp, files: string[]): string[] {
  return files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  )
}
