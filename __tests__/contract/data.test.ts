import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { compileData, type DataPlan } from '../../src/data/index.ts'
import { settle } from '../../src/guard/guard.ts'
import { decide } from '../../src/guard/questions.ts'
import { head } from '../../src/pipeline/scripts.ts'
import { Armed, until } from '../helpers/armed.ts'
import { type Shell, shells } from '../helpers/local-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { readTree, writeTree } from '../helpers/tree.ts'

/**
 * The promise of the data: backups are whole and never overwritten, nothing that exists is ever lost, a migration runs
 * once. Real tar and real SQLite, with each shell that hosts have.
 */
vi.setConfig({ maxConcurrency: 4, testTimeout: 60_000 })

const has = (shell: Shell, tool: string) => shell.path.split(':').some((folder) => existsSync(join(folder, tool)))

/** One change after another of an application whose data is below $live. */
class Site {
  readonly armed: Armed
  #previous = ''

  constructor(armed: Armed) {
    this.armed = armed
  }

  async change(id: string, plan: Partial<DataPlan> = {}, { migrate = '', apply = ':' } = {}): Promise<string> {
    const { state, live } = this.armed
    const release = join(state, 'releases', id)
    mkdirSync(join(release, 'scripts'), { recursive: true })
    if (migrate) writeFileSync(join(release, 'scripts/migrate'), migrate)
    const data = compileData({
      lines: [],
      path: live,
      id,
      previousId: this.#previous,
      again: false,
      restore: false,
      key: id,
      migrate: migrate !== '',
      force: false,
      ...plan,
    })
    const places = { state, path: live, release, previous: '' }
    const texts = { backup: data.backup, data: data.data, migrate: data.migrate, apply }
    await this.armed.arm({
      id,
      head: head({
        places,
        filters: { exclude: [], protect: [] },
        strategy: {} as never,
        id,
        previousId: this.#previous,
        revision: '',
        name: 'app',
        tree: false,
      }),
      snapshot: `mkdir -p "$work"\n${data.snapshot}`,
      phases: Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')),
      restore: `${data.restore}true`,
      forget: data.forget,
      confirm: `echo ${id} >"$state/current"\n${data.confirm}`,
    })
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      const verdict = this.armed.read('work/verdict')
      if (verdict.startsWith('rollback-failed')) throw new Error(this.log)
      if (verdict !== '') return verdict
      if (!this.armed.has('work/id')) return 'settled'
      if (this.armed.read('work/phase-now') !== 'wait') continue
      if (!(await this.armed.host.run(decide(state, id, 'confirmed'))).text.includes('verdict confirmed')) continue
      this.#previous = id
      return 'confirmed'
    }
  }

  get log(): string {
    const read = (name: string) => this.armed.read(`work/log.${name}`)
    return ['backup', 'data', 'migrate', 'restore'].map(read).join('\n')
  }

  /** The names of all backups, by what they are of. */
  backups(): string[] {
    const root = join(this.armed.state, 'backups')
    if (!existsSync(root)) return []
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('/'))
      .toSorted()
  }

  sql(file: string, question: string): string {
    return execFileSync('sqlite3', [join(this.armed.live, file), question], { encoding: 'utf8' }).trim()
  }

  static async create(shell: Shell): Promise<Site & AsyncDisposable> {
    const armed = await Armed.create(shell)
    return Object.assign(new Site(armed), { [Symbol.asyncDispose]: () => armed[Symbol.asyncDispose]() })
  }
}

const odd = `da ta'"$(x)\`é`

describe.concurrent.each(shells())('$name', (shell) => {
  describe('folders and files', () => {
    const lines = [`tar: "uploads" '${odd.replaceAll("'", '')}' note.txt`]
    const name = odd.replaceAll("'", '')
    const before = { 'uploads/a': '1', 'uploads/deep/b': '2', [`${name}/-c d`]: '3', 'note.txt': 'old' }

    it('are kept before a change, for this user alone, and stay when it is confirmed', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, before)
      expect(await site.change('r1', { lines })).toBe('confirmed')
      const files = site.backups()
      expect(files.map((file) => file.replace(/-[0-9a-f]{8}\//, '/'))).toEqual([
        'tar-da-ta-x-/r1.tar.gz',
        'tar-note.txt/r1.tar.gz',
        'tar-uploads/r1.tar.gz',
      ])
      for (const file of files) expect(statSync(join(site.armed.state, 'backups', file)).mode & 0o077).toBe(0)
      const uploads = join(site.armed.state, 'backups', files[2] ?? '')
      expect(
        execFileSync('tar', ['-tzf', uploads], { encoding: 'utf8' }).split('\n').toSorted().filter(Boolean),
      ).toEqual([...['./uploads/', './uploads/a', './uploads/deep/', './uploads/deep/b']])
    })

    it('come back as they were, and what the new version made of them is kept', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, before)
      execFileSync('chmod', ['640', join(site.armed.live, 'uploads/a')])
      const inode = statSync(join(site.armed.live, 'uploads')).ino
      const apply = `cd "$path"; echo new >uploads/a; rm -r uploads/deep; mkdir uploads/more; echo x >uploads/more/y; echo new >note.txt; false`
      expect(await site.change('r1', { lines, restore: true }, { apply })).toBe('rolled-back failed')
      expect(await readTree(site.armed.live)).toEqual({
        ...before,
        a: 'old\n',
        b: 'old\n',
        'uploads/a': { text: '1', mode: 0o640 },
      })
      expect(statSync(join(site.armed.live, 'uploads')).ino).toBe(inode)
      const kept = site.backups().filter((file) => file.includes('.failed'))
      expect(kept.map((file) => file.replace(/-[0-9a-f]{8}\//, '/'))).toEqual([
        'tar-da-ta-x-/r1.failed.tar.gz',
        'tar-note.txt/r1.failed.tar.gz',
        'tar-uploads/r1.failed.tar.gz',
      ])
      const failed = join(site.armed.state, 'backups', kept[2] ?? '')
      expect(execFileSync('tar', ['-xOzf', failed], { encoding: 'utf8' })).toMatch(/^(new\nx|x\nnew)\n$/)
      expect(site.armed.ledger()).toMatchObject([{ result: 'rolled-back', data: 'restored', code: 'HD-STEP-01' }])
    })

    it('come back although they are gone', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, before)
      const apply = 'cd "$path"; rm -r uploads note.txt; false'
      expect(await site.change('r1', { lines, restore: true }, { apply })).toBe('rolled-back failed')
      expect(await readTree(site.armed.live), site.log).toEqual({ ...before, a: 'old\n', b: 'old\n' })
    })

    it('stay as they are before anything could have touched them', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, before)
      await site.armed.arm()
      await site.armed.reached('wait')
      await site.armed.decide('refused')
      await site.armed.verdict()
      writeFileSync(join(site.armed.state, 'backups'), '')
      expect(await site.change('r2', { lines, restore: true })).toBe('untouched failed')
      expect(await readTree(site.armed.live)).toMatchObject(before)
    })

    it('behind a link are those that it leads to', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.root, { 'elsewhere/x': '1' })
      symlinkSync(join(site.armed.root, 'elsewhere'), join(site.armed.live, 'data'))
      const apply = 'echo 2 >"$path/data/x"; false'
      expect(await site.change('r1', { lines: ['tar: data'], restore: true }, { apply })).toBe('rolled-back failed')
      expect(readFileSync(join(site.armed.root, 'elsewhere/x'), 'utf8')).toBe('1')
    })

    it('that are not there yet are no error, and no longer being there is one', async () => {
      await using site = await Site.create(shell)
      const plan = { lines: ['tar: data'], restore: true }
      expect(await site.change('r1', plan, { apply: 'mkdir "$path/data"; echo 1 >"$path/data/x"; false' })).toBe(
        'rolled-back failed',
      )
      expect(site.log).toContain('data is not there yet')
      expect(site.log).toContain('it stays as it is')
      expect(readFileSync(join(site.armed.live, 'data/x'), 'utf8')).toBe('1\n')
      expect(await site.change('r2', plan)).toBe('confirmed')
      execFileSync('rm', ['-r', join(site.armed.live, 'data')])
      expect(await site.change('r3', plan)).toBe('untouched failed')
      expect(site.log).toContain('was backed up before')
      expect(site.armed.ledger().at(-1)).toMatchObject({ result: 'failed', code: 'HD-DATA-01' })
    })

    it('are never written over an older backup', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, before)
      expect(await site.change('r1', { lines })).toBe('confirmed')
      expect(await site.change('r1', { lines })).toBe('untouched failed')
      expect(site.log).toContain('none is ever overwritten')
    })

    it('go when they are older than `keep=`, unless their release is still there', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, { 'data/x': '1' })
      for (const id of ['r1', 'r2', 'r3', 'r4']) {
        expect(await site.change(id, { lines: ['tar: data keep=2'] })).toBe('confirmed')
        if (id !== 'r1') execFileSync('rm', ['-r', join(site.armed.state, 'releases', id)])
      }
      expect(site.backups().map((file) => file.split('/')[1])).toEqual(['r1.tar.gz', 'r3.tar.gz', 'r4.tar.gz'])
    })

    it('come back when the guard dies in the middle of it', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`data/${n}`, `${n}`])))
      const wanted = await readTree(join(site.armed.live, 'data'))
      const verdict = site.change(
        'r1',
        { lines: ['tar: data'], restore: true },
        { apply: 'cd "$path/data"; rm 1*; for f in *; do echo bad >"$f"; done; false' },
      )
      await site.armed.reached('restore')
      await site.armed.kill()
      expect(await settle(site.armed.host, site.armed.state, 'r1')).toMatchObject({ verdict: { end: 'rolled-back' } })
      await verdict
      expect(await readTree(join(site.armed.live, 'data'))).toEqual(wanted)
    })
  })

  describe('a rollback by hand', () => {
    it('finds the data as it was when the release last ran, and keeps what is there', async () => {
      await using site = await Site.create(shell)
      const lines = ['tar: data']
      const write = (text: string) => writeFileSync(join(site.armed.live, 'data/x'), text)
      await writeTree(site.armed.live, { 'data/x': 'first' })
      await site.change('r1', { lines })
      write('of r1')
      await site.change('r2', { lines })
      write('of r2')
      await site.change('r3', { lines })
      write('of r3')
      expect(await site.change('r1', { lines, again: true, restore: true })).toBe('confirmed')
      expect(await readTree(join(site.armed.live, 'data'))).toEqual({ x: 'of r1' })
      expect(
        site
          .backups()
          .filter((name) => name.includes('-to-'))
          .map((name) => name.split('/')[1]),
      ).toEqual([
        expect.stringMatching(/^\d{8}-\d{6}-to-r1\.replaced\.tar\.gz$/),
        expect.stringMatching(/^\d{8}-\d{6}-to-r1\.tar\.gz$/),
      ])
      // And forwards again.
      expect(await site.change('r3', { lines, again: true, restore: true })).toBe('confirmed')
      expect(await readTree(join(site.armed.live, 'data'))).toEqual({ x: 'of r3' })
    })

    it('that fails brings back the data from before it', async () => {
      await using site = await Site.create(shell)
      const lines = ['tar: data']
      await writeTree(site.armed.live, { 'data/x': 'of r1' })
      await site.change('r1', { lines })
      await site.change('r2', { lines })
      writeFileSync(join(site.armed.live, 'data/x'), 'of r2')
      expect(await site.change('r1', { lines, again: true, restore: true }, { apply: 'false' })).toBe(
        'rolled-back failed',
      )
      expect(await readTree(join(site.armed.live, 'data'))).toEqual({ x: 'of r2' })
    })

    it('is refused before anything is touched when the backup is not there', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, { 'data/x': '1' })
      await site.change('r1', { lines: ['tar: data'] })
      expect(await site.change('r2')).toBe('confirmed')
      await site.change('r3', { lines: ['tar: data'] })
      expect(await site.change('r1', { lines: ['tar: data'], again: true, restore: true })).toBe('untouched failed')
      expect(site.log).toContain('No backup was made when the release r1 was left')
      expect(site.armed.ledger().at(-1)).toMatchObject({ code: 'HD-DATA-06' })
    })
  })

  describe('a migration', () => {
    const count = (site: Site) => readFileSync(join(site.armed.live, 'count'), 'utf8').length
    const migrate = 'printf x >>count'

    it('runs once for a release, and again only when that is asked for', async () => {
      await using site = await Site.create(shell)
      await site.change('r1', {}, { migrate })
      await site.change('r2', { key: 'r1' }, { migrate })
      expect(count(site)).toBe(1)
      expect(site.armed.ledger().map(({ migration }) => migration)).toEqual(['done', 'skipped'])
      await site.change('r3', { key: 'r1', force: true }, { migrate })
      await site.change('r4', {}, { migrate })
      expect(count(site)).toBe(3)
    })

    it('that failed is said to be half-done, and runs again', async () => {
      await using site = await Site.create(shell)
      expect(await site.change('r1', { key: 'k' }, { migrate: `${migrate}; false` })).toBe('rolled-back failed')
      expect(site.armed.ledger()).toMatchObject([{ code: 'HD-DATA-05', migration: 'begun', result: 'rolled-back' }])
      expect(
        await site.change('r2', { key: 'k' }, { migrate, apply: 'sleep 0.2; cp "$work/log.migrate" "$path/said"' }),
      ).toBe('confirmed')
      expect(readFileSync(join(site.armed.live, 'said'), 'utf8')).toContain('did not come to its end')
      expect(count(site)).toBe(2)
    })

    it('whose effect was taken back with the data runs again', async () => {
      await using site = await Site.create(shell)
      await writeTree(site.armed.live, { 'data/x': '1' })
      const plan = { lines: ['tar: data'], restore: true, key: 'k' }
      expect(await site.change('r1', plan, { migrate: 'echo 2 >data/x', apply: 'false' })).toBe('rolled-back failed')
      expect(readFileSync(join(site.armed.live, 'data/x'), 'utf8')).toBe('1')
      expect(await site.change('r2', plan, { migrate: 'echo 2 >data/x' })).toBe('confirmed')
      expect(readFileSync(join(site.armed.live, 'data/x'), 'utf8')).toBe('2\n')
      expect(site.armed.ledger().map(({ migration }) => migration)).toEqual(['done', 'done'])
    })
  })

  describe.skipIf(!has(shell, 'sqlite3'))('a database of SQLite', () => {
    const lines = ['sqlite: "my db"']
    const grow = `sqlite3 "my db" "CREATE TABLE more(x); DELETE FROM t"`

    it('comes back into its place, and what it had become is kept', async () => {
      await using site = await Site.create(shell)
      site.sql('my db', 'PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)')
      expect(await site.change('r1', { lines, restore: true }, { apply: `cd "$path"; ${grow}; false` })).toBe(
        'rolled-back failed',
      )
      expect(site.sql('my db', 'SELECT group_concat(x) FROM t; SELECT count(*) FROM sqlite_master')).toBe('1,2\n1')
      const failed = site.backups().find((name) => name.includes('.failed')) ?? ''
      expect(
        execFileSync('sqlite3', [join(site.armed.state, 'backups', failed), '.tables'], { encoding: 'utf8' }).trim(),
      ).toMatch(/^more +t$/)
      expect(site.backups()).toHaveLength(2)
    })

    it('that is destroyed is replaced, and what it was is kept', async () => {
      await using site = await Site.create(shell)
      site.sql('my db', 'CREATE TABLE t(x); INSERT INTO t VALUES (1)')
      const apply =
        'echo "this is no database, and longer than its header would be, by far: 100 bytes at the very least, as it were" >"$path/my db"; false'
      expect(await site.change('r1', { lines, restore: true }, { apply })).toBe('rolled-back failed')
      expect(site.sql('my db', 'SELECT x FROM t')).toBe('1')
      const raw = site.backups().find((name) => name.endsWith('.failed.raw')) ?? ''
      expect(readFileSync(join(site.armed.state, 'backups', raw), 'utf8')).toContain('this is no database')
    })

    it('that is damaged is no backup, and the old version goes on', async () => {
      await using site = await Site.create(shell)
      site.sql(
        'my db',
        "CREATE TABLE t(x); CREATE INDEX i ON t(x); INSERT INTO t VALUES (1), (2); PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage=2 WHERE name='i'",
      )
      expect(await site.change('r1', { lines })).toBe('untouched failed')
      expect(site.armed.ledger().at(-1)?.code).toMatch(/HD-DATA-0[12]/)
      expect(site.backups()).toEqual([])
    })
  })
})

/** A host with these tools of this machine, but for some, and with others in their place. */
async function hostWithout(names: readonly string[], instead: Record<string, string> = {}) {
  const tools = await scratch('tools')
  for (const folder of ['/bin', '/usr/bin'])
    for (const name of readdirSync(folder)) {
      const place = join(tools.path, name)
      if (!names.includes(name) && !(name in instead) && !existsSync(place)) symlinkSync(join(folder, name), place)
    }
  for (const [name, text] of Object.entries(instead))
    writeFileSync(join(tools.path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return Object.assign(tools, { name: 'sh', command: ['/bin/sh'] as [string], busybox: false })
}

describe('the tools of a host', () => {
  it.skipIf(!existsSync('/usr/bin/sqlite3') || !existsSync('/usr/bin/python3'))(
    'are Python, where the shell of SQLite is missing',
    async () => {
      await using tools = await hostWithout(['sqlite3'])
      await using site = await Site.create(tools)
      site.sql('db', 'PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)')
      const apply = `/usr/bin/sqlite3 "$path/db" "DROP TABLE t; CREATE TABLE other(x)"; false`
      const plan = { lines: ['sqlite: db'], restore: true }
      expect(await site.change('r1', plan, { apply })).toBe('rolled-back failed')
      expect(site.sql('db', 'SELECT group_concat(x) FROM t; SELECT count(*) FROM sqlite_master')).toBe('1,2\n1')
      const spoil = 'echo nonsense, and enough of it to be looked at as a header >"$path/db"; false'
      expect(await site.change('r2', plan, { apply: spoil })).toBe('rolled-back failed')
      expect(site.sql('db', 'SELECT group_concat(x) FROM t')).toBe('1,2')
    },
  )

  it('are missing before anything is changed', async () => {
    const pythons = readdirSync('/usr/bin').filter((name) => name.startsWith('python'))
    await using tools = await hostWithout(['sqlite3', 'psql', ...pythons])
    await using site = await Site.create(tools)
    writeFileSync(join(site.armed.live, 'db'), '')
    expect(await site.change('r1', { lines: ['tar: a', 'sqlite: db'] })).toBe('untouched failed')
    expect(site.log).toMatch(/Neither sqlite3 nor python3 is there: install one of them/)
    expect(await site.change('r2', { lines: ['postgres: shop'] })).toBe('untouched failed')
    expect(site.log).toMatch(/psql is missing: install/)
    expect(site.armed.ledger().map(({ code }) => code)).toEqual(['HD-DATA-03', 'HD-DATA-03'])
    expect(site.backups()).toEqual([])
  })

  it('are told to be too old for the server', async () => {
    const old = { psql: "echo '17|100'", pg_dump: "echo 'pg_dump (PostgreSQL) 15.4'", pg_restore: ':', createdb: ':' }
    await using tools = await hostWithout([], old)
    await using site = await Site.create(tools)
    expect(await site.change('r1', { lines: ['postgres: shop'] })).toBe('untouched failed')
    expect(site.log).toMatch(/pg_dump is of version 15 and the server of 17.*postgresql-client-17/)
    expect(site.armed.ledger()).toMatchObject([{ code: 'HD-DATA-03' }])
  })

  it('leave nothing half made when they are ended in the middle of it', async () => {
    await using tools = await hostWithout([], { gzip: 'cat; sleep 20' })
    await using site = await Site.create(tools)
    const verdict = site.change('r1', { lines: ['tar: a'] })
    await until('a part', () => site.backups().some((name) => name.endsWith('.part')))
    await site.armed.host.run(decide(site.armed.state, 'r1', 'refused', 'HD-CANCEL-01'))
    expect(await verdict).toBe('untouched refused')
    expect(site.backups()).toEqual([])
    expect(site.armed.processes().filter(({ argv }) => argv.includes('20'))).toEqual([])
  })
})
