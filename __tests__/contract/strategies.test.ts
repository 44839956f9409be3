import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../src/remote/facts.ts'
import { assign } from '../../src/shell.ts'
import { strategies } from '../../src/strategies/index.ts'
import type { Scripts, Strategy, StrategyOptions } from '../../src/strategies/strategy.ts'
import { LocalHost, type Shell, shells } from '../helpers/local-host.ts'
import { scratch } from '../helpers/scratch.ts'

/** What holds for every strategy there is, so that a new one is under contract with its line in index.ts. */
const facts: Facts = {
  os: { like: '', id: 'debian', version: '13', name: 'Debian GNU/Linux 13 (trixie)', kernel: 'Linux 6.12' },
  arch: 'x86_64',
  init: 'systemd',
  appliance: '',
  sudo: 'any',
  busybox: false,
  clockSkew: 0,
  deployed: false,
  user: { name: 'deploy', uid: 1000, home: '/home/deploy' },
  // Named by their paths, so that no test runs those of this machine.
  tools: Object.fromEntries(
    ['install', 'nix', 'nixos-rebuild', 'rm', 'systemctl', 'uv'].map((name) => [
      name,
      { path: `/nowhere/${name}`, version: '' },
    ]),
  ),
  engine: {
    docker: '/nowhere/docker',
    sudo: false,
    version: '26.1.5',
    problem: '',
    updaters: [],
    compose: { by: 'plugin', version: '2.26.1' },
  },
  state: '/home/deploy/.local/state/homelab-deploy/app',
  path: {
    absolute: '/srv/app',
    kind: 'directory',
    writable: true,
    owner: 'deploy:deploy',
    existing: '/srv/app',
    git: false,
    freeKiB: 1e9,
    freeInodes: 1e9,
    stateFreeKiB: 1e9,
  },
}

const installed = shells()
const breakOut = 'hd_break_out'
const parts = [
  'environment',
  'preflight',
  'snapshot',
  'build',
  'prepare',
  'apply',
  'restore',
  'keep',
  'tidy',
  'inspect',
  'diff',
  'drift',
  'foresee',
] as const satisfies (keyof Scripts)[]

/** Options without anything, and with everything that any strategy reads: its texts are this one. */
const empty: StrategyOptions = { commands: [] }
const filled = (text: string): StrategyOptions => ({
  commands: ['prepare', 'activate', 'restore'],
  uv: { args: [text], services: [text], restart: [text], unitFiles: [`deploy/${text}`], scope: 'system' },
  compose: {
    files: [text],
    project: text,
    profiles: [text],
    images: [{ service: text, ref: text }],
    registry: text,
    registryUser: text,
    verify: 'cosign',
  },
  colmena: {
    node: text,
    toplevel: text,
    native: true,
    judged: true,
    keys: [false, true].map((late) => ({ path: `/nowhere/${late}/${text}`, user: text, group: text, late })),
  },
  nix: {
    flake: `./${text}#${text}`,
    buildOn: 'host',
    args: [text],
    check: true,
    activation: 'native',
    restart: [text],
    judged: true,
  },
})

it('each has a name of its own', () => {
  const names = strategies.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

describe.each(strategies)('$name', testStrategy)

function testStrategy(strategy: Strategy): void {
  it('is called and told in one line', () => {
    expect(strategy.name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
    expect(strategy.summary).toMatch(/^[A-Z].*\.$/)
    expect(strategy.summary.length).toBeLessThanOrEqual(120)
    for (const marker of strategy.markers) expect(marker).toMatch(/^[^/\n][^\n]*$/)
    for (const { name, hint } of strategy.needs) {
      expect(name).toMatch(/^[\w.-]+$/)
      expect(hint).toMatch(/\S.*\.$/)
    }
  })

  it('compiles the same text from the same values, which it leaves alone', () => {
    const options = freeze(filled('some text'))
    const about = freeze(structuredClone(facts))
    const first = strategy.compile(options, about)
    expect(strategy.compile(structuredClone(options), structuredClone(about))).toEqual(first)
    expect(Object.keys(first).toSorted()).toEqual([...parts].toSorted())
    for (const part of parts) expect(first[part]).toEqual(expect.any(String))
  })

  it.each(installed)('is read by $name', (shell) => {
    for (const options of [empty, filled('some text')])
      for (const about of [facts, { ...facts, init: 'other' as const, busybox: true, sudo: 'some' as const }]) {
        const compiled = strategy.compile(options, about)
        for (const part of parts) expect([part, complaint(shell, compiled[part])]).toEqual([part, ''])
      }
  })

  it('takes what it is given as text, never as shell', async () => {
    const hostile = fc
      .array(
        fc.constantFrom("'", '"', '`', '$(', ')', ';', '\n', '\\', '&&', '}', '{', '#', ' ', 'HD_TEXT', breakOut),
        {
          maxLength: 12,
        },
      )
      .map((pieces) => pieces.join(''))
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (text, path) => {
        await using home = await scratch('strategy')
        // A release of old: nothing waits for a runner.
        await writeFile(join(home.path, 'record.json'), '{}')
        const about = { ...facts, path: { ...facts.path, absolute: `${home.path}/${path}` } }
        const compiled = strategy.compile(filled(text), about)
        const all = parts.map((part) => `(\n:\n${compiled[part]}\n) || :\n`).join('')
        const places = { release: home.path, prev: '', path: home.path, work: home.path, state: home.path }
        for (const shell of installed) {
          expect(complaint(shell, all)).toBe('')
          // With tools that do nothing: what is left is what the shell itself would run of it.
          const { tail } = await new LocalHost({ ...shell, path: home.path }).run(
            `${assign(places)}${breakOut}() { echo ${breakOut} >&2; }\nhd_user() { :; }\n${all}`,
          )
          expect(tail).not.toMatch(new RegExp(`^${breakOut}$`, 'm'))
        }
      }),
      { numRuns: 8 },
    )
  })
}

/** What a shell finds wrong with a script, without running it. */
function complaint({ command: [program, ...args] }: Shell, script: string): string {
  try {
    execFileSync(program, [...args, '-n'], { input: script, stdio: ['pipe', 'pipe', 'pipe'] })
    return ''
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr)
  }
}

function freeze<T extends object>(value: T): T {
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) freeze(each)
  return Object.freeze(value)
}
