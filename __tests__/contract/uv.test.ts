import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../src/remote/facts.ts'
import { assign } from '../../src/shell.ts'
import type { Scripts } from '../../src/strategies/strategy.ts'
import { noUv } from '../../src/strategies/uv/options.ts'
import { uv } from '../../src/strategies/uv.ts'
import { LocalHost, type Shell, shells } from '../helpers/local-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'

/**
 * Where the environment of which release lies, from wherever a change stopped. A stand-in for uv notes into the
 * environment which lock it was made from; the real one is in the lab.
 */
const standIn = `#!/bin/sh
for last; do :; done
case $1 in
  venv) mkdir -p "$last/bin"; cp /bin/true "$last/bin/python" ;;
  sync) echo "$*" >>"\${0%/*}/calls"; cp uv.lock "$UV_PROJECT_ENVIRONMENT/lock"; pwd >"$UV_PROJECT_ENVIRONMENT/linked" ;;
esac
`

class Site {
  readonly root: string
  readonly path: string
  readonly state: string
  readonly scripts: Scripts
  readonly #host: LocalHost
  release = ''
  previous = ''

  constructor(root: string, shell: Shell) {
    this.root = root
    this.path = join(root, 'live tree')
    this.state = join(root, 'state')
    this.#host = new LocalHost(shell)
    const tools = { uv: { path: join(root, 'bin/uv'), version: '' } }
    const options = { ...noUv, args: ['--all-packages'] }
    this.scripts = uv.compile({ commands: [], uv: options }, {
      tools,
      user: { name: 'x' },
      state: this.state,
      sudo: 'root',
    } as unknown as Facts)
  }

  async stage(name: string): Promise<void> {
    this.release = `${this.state}/releases/${name}`
    await writeTree(this.root, { 'bin/uv': { text: standIn, mode: 0o755 }, 'state/work/': '' })
    await writeTree(this.release, { 'tree/uv.lock': name })
    await writeTree(this.path, { 'uv.lock': name })
    expect((await this.run('snapshot')).tail).toBe('')
  }

  /** With `stop`, the change ends before its n-th rename or removal. */
  async run(part: keyof Scripts, stop = 0) {
    const { path, state, release, previous } = this
    const values = assign({ path, state, work: `${state}/work`, release, prev: previous, DEPLOY_ID: 'id', stop })
    const stopping = `calls=0
mv() { calls=$((calls + 1)); [ "$calls" != "$stop" ] || exit 9; command mv "$@"; }
rm() { calls=$((calls + 1)); [ "$calls" != "$stop" ] || exit 9; command rm "$@"; }
`
    return await this.#host.run(`${values}${stopping}${this.scripts[part]}`)
  }

  /** Everything up to the vote, and the vote. */
  async deploy(name: string): Promise<void> {
    await this.stage(name)
    for (const part of ['build', 'prepare', 'apply'] as const) {
      const { code, tail } = await this.run(part)
      expect([part, code, tail]).toEqual([part, 0, expect.anything()])
    }
    await this.confirm()
  }

  async confirm(): Promise<void> {
    await writeTree(this.release, { 'record.json': '{}' })
    expect((await this.run('keep')).code).toBe(0)
    expect((await this.run('keep')).code).toBe(0)
    this.previous = this.release
  }

  /** Which lock the environment there was made from. */
  lock(folder: string): string {
    return existsSync(join(folder, 'lock')) ? readFileSync(join(folder, 'lock'), 'utf8') : ''
  }

  get live() {
    return {
      lock: this.lock(join(this.path, '.venv')),
      names: readdirSync(this.path).filter((name) => name !== 'uv.lock'),
    }
  }
}

const parts = ['build', 'prepare', 'apply'] as const
const moments = { build: [1, 3], prepare: [1, 2, 3] }
const stops = (['build', 'prepare'] as const).flatMap((part) => moments[part].map((stop) => ({ part, stop })))

describe.each(shells())('$name', (shell) => {
  it('keeps the environment of each release, and puts it back without uv', async () => {
    await using folder = await scratch('uv')
    const site = new Site(folder.path, shell)
    for (const name of ['one', 'two', 'three']) await site.deploy(name)
    expect(site.live).toEqual({ lock: 'three', names: ['.venv'] })
    expect(['one', 'two', 'three'].map((name) => site.lock(`${site.state}/releases/${name}/venv`))).toEqual([
      'one',
      'two',
      '',
    ])
    const calls = readFileSync(join(folder.path, 'bin/calls'), 'utf8')
    expect(calls.split('\n').slice(0, 2)).toEqual([
      'sync --locked --all-packages',
      'sync --locked --offline --all-packages',
    ])

    await site.deploy('one')
    expect(site.live).toEqual({ lock: 'one', names: ['.venv'] })
    expect(site.lock(`${site.state}/releases/three/venv`)).toBe('three')
    expect(readFileSync(join(folder.path, 'bin/calls'), 'utf8')).toBe(calls)
    expect(readFileSync(join(site.path, '.venv/linked'), 'utf8').trim()).toBe(site.path)
  })

  it.each(stops)('comes back from a $part that stopped at its change $stop', async ({ part, stop }) => {
    await using folder = await scratch('uv')
    const site = new Site(folder.path, shell)
    await site.deploy('one')
    await site.deploy('two')
    for (const name of ['three', 'one']) {
      await site.stage(name)
      for (const each of parts) if ((await site.run(each, each === part ? stop : 0)).code !== 0) break
      for (const again of [0, 1, 2]) expect([again, (await site.run('restore')).code]).toEqual([again, 0])
      expect(site.live).toEqual({ lock: 'two', names: ['.venv'] })
    }
    // What was kept of a release is kept, also when the way to it failed.
    expect(site.lock(`${site.state}/releases/one/venv`)).toBe('one')
  })

  it.each(stops)(
    'leaves nothing where there was nothing, from a $part that stopped at $stop',
    async ({ part, stop }) => {
      await using folder = await scratch('uv')
      const site = new Site(folder.path, shell)
      await site.stage('one')
      for (const each of parts) if ((await site.run(each, each === part ? stop : 0)).code !== 0) break
      for (const again of [0, 1]) expect([again, (await site.run('restore')).code]).toEqual([again, 0])
      expect(site.live).toEqual({ lock: '', names: [] })
    },
  )
})
