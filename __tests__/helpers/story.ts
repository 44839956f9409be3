import { readFile, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { EmbeddedHost } from './embedded-host.ts'
import { type ActionRun, type RunOptions, type RunResult, runAction, startAction } from './run-action.ts'
import { scratch } from './scratch.ts'
import type { TestHost } from './test-host.ts'
import { readTree, type Tree, writeTree } from './tree.ts'

/** The words that every scenario shares: a deploy of the application `shop` to `~/app` of a test host. */
export interface Story extends Omit<RunOptions, 'inputs'> {
  /** Beside those of `inputsFor`; `undefined` takes one of them away. */
  readonly inputs?: Record<string, string | undefined>
  /** Written into the workspace first. */
  readonly source?: Tree
}

/** What a workflow for this host would say, and no more than that. */
export function inputsFor(host: TestHost, more: Record<string, string | undefined> = {}): Record<string, string> {
  const all = {
    host: host.target,
    'ssh-key': host.clientKey.private,
    'host-key': host.knownHostsLine,
    'connect-timeout': '5s',
    path: '~/app',
    strategy: 'script',
    activate: 'echo activated',
    ...more,
  }
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

/** After a main that ended by itself post has nothing to do: only stories about post spend the time for it. */
const quick = { skipPost: true }

export async function deploy(host: TestHost, story: Story = {}): Promise<RunResult> {
  const { source = { 'index.html': 'one\n' }, inputs, ...given } = story
  const options = { ...quick, ...given }
  if (options.workspace !== undefined)
    return await runAction({ ...options, inputs: inputsFor(host, inputs), workspace: options.workspace })
  await using workspace = await scratch('workspace')
  await writeTree(workspace.path, source)
  return await runAction({ ...options, inputs: inputsFor(host, inputs), workspace: workspace.path })
}

/** For stories that do something while the action runs. */
export async function starting(host: TestHost, story: Story = {}): Promise<ActionRun & AsyncDisposable> {
  const { source = { 'index.html': 'one\n' }, inputs, ...options } = story
  const workspace = await scratch('workspace')
  await writeTree(workspace.path, source)
  const run = startAction({ ...options, inputs: inputsFor(host, inputs), workspace: workspace.path })
  return Object.assign(run, {
    async [Symbol.asyncDispose]() {
      run.kill()
      await run.finished.catch(() => {})
      await workspace[Symbol.asyncDispose]()
    },
  })
}

/** A run with a good end; the log of any other is what the reader of a failed test needs. */
export function expectResult(result: RunResult, wanted: string): void {
  if (result.outputs['result'] !== wanted)
    throw new Error(`${result.outputs['result'] || 'no result'} instead of ${wanted}:\n${result.maskedLog}`)
  const good = ['deployed', 'unchanged', 'planned', 'healthy'].includes(wanted)
  expect(result).toMatchObject({ exitCode: good ? 0 : 1, signal: null, heldOpen: false, orphans: [] })
  expect(result.errors).toHaveLength(good ? 0 : 1)
}

/** Exit code 1, exactly one error annotation with this code, and in it these texts. */
export function expectError(result: RunResult, code: string, ...texts: (string | RegExp)[]): string {
  expect(result.errors.map(({ message }) => message)).toEqual([expect.stringContaining(code)])
  expect(result).toMatchObject({ exitCode: 1, heldOpen: false, orphans: [] })
  const message = result.errors[0]?.message ?? ''
  expect(message).toContain('What to do:')
  for (const text of texts) {
    if (typeof text === 'string') expect(message).toContain(text)
    else expect(message).toMatch(text)
  }
  expect(result.log).not.toMatch(/^\s+at .+:\d+:\d+\)?$/m)
  return message
}

/** No file, no folder, no state, no process. */
export async function expectUntouched(host: TestHost, before: Tree = {}): Promise<void> {
  expect(await readTree(host.home)).toEqual(before)
  expect(host.processes()).toEqual([])
}

/** Refused before anybody was let in: what the host saw of it, at most, were handshakes. */
export async function expectNoLogin(host: EmbeddedHost): Promise<void> {
  expect(host.commands).toEqual([])
  await expectUntouched(host)
}

export const stateOf = (host: TestHost, name = 'shop') => join(host.home, '.local/state/homelab-deploy', name)
export const liveTree = (host: TestHost, path = 'app') => readTree(join(host.home, path))

/** The ledger's lines, as far as tests look at them. */
export async function ledger(
  host: TestHost,
): Promise<{ result: string; mode: string; code: string; release: string }[]> {
  const text = await readFile(join(stateOf(host), 'ledger.jsonl'), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/**
 * Nothing of a run remains but the record of what happened, of which the guard's last word and its logs are a part: no lock, no
 * pending deploy, no work, no process.
 */
export async function expectSettled(host: TestHost): Promise<void> {
  const { verdict = 'id confirmed\n', ...state } = await readTree(stateOf(host))
  const word = typeof verdict === 'object' && 'text' in verdict ? verdict.text : verdict
  expect(word).toMatch(/^\S+ (confirmed|rolled-back|left|untouched)( \w+)?\n$/)
  const names = Object.keys(state).filter(
    (name) =>
      !/^(releases\/|git\/|current$|rollback$|ledger\.jsonl$|evidence$|adopted\/|data\.log$|backups\/(?!.*\.part))/.test(
        name,
      ),
  )
  expect(names).toEqual([])
  await eventually(() => expect(host.processes()).toEqual([]), 10_000)
}

/** Until it holds: for what happens on a host a moment after the action has ended. */
export async function eventually(check: () => void | Promise<void>, withinMs = 3_000): Promise<void> {
  for (const end = Date.now() + withinMs; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

/** As if a lock had been left behind minutes ago: its lease was renewed last when a runner still lived. */
export async function forgetLease(host: TestHost): Promise<void> {
  const longAgo = new Date(Date.now() - 5 * 60_000)
  await utimes(join(stateOf(host), 'lock/lease'), longAgo, longAgo).catch(() => {})
}
