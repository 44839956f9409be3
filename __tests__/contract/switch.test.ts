import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Facts } from '../../src/remote/facts.ts'
import { readSource, stage } from '../../src/sync/index.ts'
import type { SyncOptions } from '../../src/sync/options.ts'
import { type Places, treeScript } from '../../src/sync/script.ts'
import { LocalHost, type Shell, shells } from '../helpers/local-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { readTree, type Tree, writeTree } from '../helpers/tree.ts'

/**
 * The promise of every deploy: whatever tree was at the path and whatever tree comes, the switch gives exactly the
 * new one (with what is protected left alone), and the way back gives exactly the old one, from wherever the switch
 * stopped. Run with each shell that hosts have.
 */
const guarded = { exclude: ['cache/'], protect: ['data/', 'users/user_*'] }

const facts = (state: string, path: string, busybox: boolean) =>
  ({
    state,
    busybox,
    tools: {},
    path: { absolute: path, freeKiB: 1e9, stateFreeKiB: 1e9, freeInodes: 1e9 },
  }) as unknown as Facts

class Site {
  readonly path: string
  readonly state: string
  readonly source: string
  readonly host: LocalHost
  readonly shell: Shell
  previous = ''
  #count = 0

  constructor(root: string, shell: Shell) {
    this.path = join(root, 'live tree')
    this.state = join(root, 'state')
    this.source = join(root, 'source')
    this.shell = shell
    this.host = new LocalHost(shell)
  }

  /** Sends a tree and returns the places of its release. */
  async stage(tree: Tree, method: SyncOptions['method'] = 'tar') {
    await rm(this.source, { recursive: true, force: true })
    await writeTree(this.source, tree)
    this.#count += 1
    const places: Places = {
      state: this.state,
      path: this.path,
      release: join(this.state, `releases/${this.#count}`),
      previous: this.previous,
    }
    const options = { ...guarded, source: this.source, path: this.path, method, deleteLimit: 1_000, commit: '' }
    const staged = await stage(
      this.host,
      facts(this.state, this.path, this.shell.busybox),
      places,
      options,
      await readSource(options),
      { temp: this.state, first: '', onProgress: () => {} },
    )
    return { places, staged }
  }

  async script(places: Places, body: string) {
    const { code, tail } = await this.host.run(`${treeScript(places, guarded)}\n${body}`)
    return { code, tail: code === 0 ? '' : tail }
  }
}

const names = fc.constantFrom(
  'a',
  'b',
  'deep/a',
  'deep/b',
  'deep/er/c',
  'sp ace',
  "quo'te",
  '$(id)',
  '-dash',
  'x*?[1]',
  'tab\there',
  'ünïcode',
  'deep',
)
const entries = fc.oneof(
  fc.constantFrom('one', 'two', '', 'three\n').map((text) => text as Tree[string]),
  fc.constant({ text: '#!/bin/sh\n', mode: 0o755 }),
  fc.constant({ text: 'private', mode: 0o600 }),
  fc.constantFrom('a', '../out side', 'nowhere').map((target) => ({ symlink: target })),
)
const folders = fc.constantFrom('empty/', 'deep/empty/').map((name) => [name, ''] as const)

/** Trees in which no name is both a file and a folder. */
const trees = fc
  .tuple(fc.array(fc.tuple(names, entries), { maxLength: 9 }), fc.array(folders, { maxLength: 2 }))
  .map(([files, more]) => {
    const tree: Tree = Object.fromEntries([...more, ...files])
    const folderOf = (name: string) =>
      Object.keys(tree).some((other) => other !== name && other.startsWith(`${name.replace(/\/$/, '')}/`))
    return Object.fromEntries(Object.entries(tree).filter(([name]) => !folderOf(name)))
  })
const kept: Tree = {
  '.env': 'SECRET=1',
  'data/db.sqlite': 'rows',
  'users/user_1/notes': 'mine',
  'cache/x': 'y',
  'deep/.venv/bin/python': 'python',
}
/** Folders that hold nothing but protected things, which a switch must leave. */
const around = (tree: Tree): Tree => ({ ...tree, ...kept })

describe.each(shells())('$name', (shell) => {
  it('switches to exactly the new tree and back to exactly the old one', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, trees, async (before, first, second) => {
        fc.pre(![before, first, second].some((tree) => 'deep' in tree))
        await using home = await scratch('switch')
        const site = new Site(home.path, shell)
        await writeTree(site.path, around(before))
        for (const tree of [first, second]) {
          const old = await readTree(site.path)
          const { places } = await site.stage(tree)
          expect(await readTree(site.path)).toEqual(old)
          expect(await readTree(join(places.release, 'tree'))).toEqual(await readTree(site.source))
          const there = await site.script(places, 'hd_snapshot\nhd_switch')
          expect(there).toEqual({ code: 0, tail: '' })
          expect(without(await readTree(site.path))).toEqual(without(around(await readTree(site.source))))
          const back = await site.script(places, 'hd_restore\nhd_restore')
          expect(back).toEqual({ code: 0, tail: '' })
          expect(await readTree(site.path)).toEqual(old)
          await site.script(places, 'hd_switch')
          site.previous = places.release
        }
      }),
      { numRuns: shell.name === 'dash' ? 4 : 2 },
    )
  })

  it.each(['hd_remove', 'hd_mkdir', 'hd_copy', 'hd_own', 'hd_chmod'])(
    'comes back after a switch that died in %s',
    async (where) => {
      await using home = await scratch('switch')
      const site = new Site(home.path, shell)
      await writeTree(
        site.path,
        around({ a: 'one', 'deep/b': 'two', gone: 'x', 'was/dir': 'y', link: { symlink: 'a' } }),
      )
      const old = await readTree(site.path)
      const { places } = await site.stage({
        a: 'changed',
        'deep/er/c': 'new',
        was: 'a file now',
        link: 'a file now',
        'new/dir/': '',
      })
      const died = await site.script(places, `hd_snapshot\n${where}() { exit 9; }\nhd_switch`)
      expect(died.code).not.toBe(0)
      expect(await site.script(places, 'hd_restore')).toEqual({ code: 0, tail: '' })
      expect(await readTree(site.path)).toEqual(old)
    },
  )

  it('sends nothing for a tree that is there, and says so', async () => {
    await using home = await scratch('switch')
    const site = new Site(home.path, shell)
    const tree: Tree = { a: 'one', 'deep/b': { text: 'x', mode: 0o755 }, 'empty/': '', link: { symlink: 'sp ace' } }
    const first = await site.stage(tree)
    expect(first.staged.counts).toMatchObject({ added: 3, changed: 0, removed: 0 })
    expect(first.staged.by).toBe('tar')
    expect(await site.script(first.places, 'hd_snapshot\nhd_switch')).toEqual({ code: 0, tail: '' })
    site.previous = first.places.release
    const second = await site.stage(tree)
    expect(second.staged).toMatchObject({
      counts: { added: 0, changed: 0, removed: 0, folders: 0 },
      need: [],
      by: '',
      bytesSent: 0,
      drifted: [],
    })
  })

  it('names what was edited on the host since', async () => {
    await using home = await scratch('switch')
    const site = new Site(home.path, shell)
    const { places } = await site.stage({ a: 'one', b: 'two' })
    await site.script(places, 'hd_snapshot\nhd_switch')
    site.previous = places.release
    await writeTree(site.path, { b: 'edited by hand' })
    const { staged } = await site.stage({ a: 'one', b: 'two' })
    expect(staged.drifted).toEqual(['b'])
    expect(staged.need).toEqual([])
    expect(staged.changed).toEqual(['b'])
  })

  it('creates a protected file that is missing, and never touches one that is there', async () => {
    await using home = await scratch('switch')
    const site = new Site(home.path, shell)
    await writeTree(site.path, { '.env.local': 'mine' })
    const { places } = await site.stage({ '.env.local': 'theirs', '.env.example': 'KEY=', a: '1' })
    await site.script(places, 'hd_snapshot\nhd_switch')
    expect(await readTree(site.path)).toEqual({ '.env.local': 'mine', '.env.example': 'KEY=', a: '1' })
    await site.script(places, 'hd_restore')
    expect(await readTree(site.path)).toEqual({ '.env.local': 'mine' })
  })

  it('takes names with line breaks and backslashes', async () => {
    await using home = await scratch('switch')
    const site = new Site(home.path, shell)
    await writeTree(site.path, { 'old\nname': 'x', 'back\\slash': 'y' })
    const old = await readTree(site.path)
    const { places } = await site.stage({
      'new\nname\\b': '1',
      'literal\\n': '4',
      'back\\slash': '2',
      'dir\n\\/f': '3',
      link: { symlink: 'to\nhere' },
    })
    expect(await site.script(places, 'hd_snapshot\nhd_switch')).toEqual({ code: 0, tail: '' })
    expect(await readTree(site.path)).toEqual(await readTree(site.source))
    await site.script(places, 'hd_restore')
    expect(await readTree(site.path)).toEqual(old)
  })

  it('refuses to delete more than allowed, before anything is made', async () => {
    await using home = await scratch('switch')
    const site = new Site(home.path, shell)
    await writeTree(site.path, Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`f${index}`, ''])))
    await expect(site.stage({ a: '1' })).rejects.toMatchObject({ code: 'HD-SYNC-01' })
  })
})

/** Empty folders of the old tree stay when something protected is in them; comparing them would test the test. */
function without(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([name]) => !name.startsWith('deep/.venv')))
}
