import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { problemsIn, problemsOf } from '../../scripts/sound.ts'

test('the bundle is sound', () => {
  expect(problemsOf('dist')).toEqual([])
})

test('the bundle holds all its parts', () => {
  expect(JSON.parse(readFileSync('dist/package.json', 'utf8'))).toEqual({ type: 'module' })
  expect(readFileSync('dist/licenses.txt', 'utf8')).toContain('node-ssh')
})

test('what makes a bundle unsound is noticed', () => {
  expect(problemsIn('Object(function webpackMissingModule() {})')).toHaveLength(1)
  expect(problemsIn('module.exports = eval("require")("./clock.js")')).toHaveLength(1)
  expect(problemsIn(`// ${process.cwd()}/src/main.ts`)).toHaveLength(1)
  // The native add-ons that ssh2 can do without.
  expect(problemsIn('module.exports = eval("require")("./crypto/build/Release/sshcrypto.node")')).toEqual([])
})

test('without any input it fails well: exit code 1, one annotation, no stack trace', () => {
  const temp = mkdtempSync(join(tmpdir(), 'homelab-deploy-test-'))
  onTestFinished(() => rmSync(temp, { recursive: true }))
  const files = Object.fromEntries(
    ['OUTPUT', 'STATE', 'ENV', 'PATH', 'STEP_SUMMARY'].map((name) => [`GITHUB_${name}`, join(temp, name)]),
  )
  for (const file of Object.values(files)) writeFileSync(file, '')
  const { PATH = '' } = process.env
  const env = {
    PATH,
    HOME: temp,
    RUNNER_TEMP: temp,
    GITHUB_WORKSPACE: temp,
    GITHUB_REPOSITORY: 'example/app',
    ...files,
  }

  const run = spawnSync(process.execPath, ['dist/index.js'], { env, encoding: 'utf8', timeout: 20_000 })

  const lines = `${run.stdout}\n${run.stderr}`.split('\n')
  expect(lines.filter((line) => line.startsWith('::error'))).toHaveLength(1)
  expect(lines.filter((line) => /^\s+at .+:\d+:\d+\)?$/.test(line))).toEqual([])
  expect(run.status).toBe(1)
})
