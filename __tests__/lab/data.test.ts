import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fences } from '../helpers/documents.ts'
import { type LabHost, labHost } from './host.ts'
import { Service } from './service.ts'

/** A real PostgreSQL, and a SQLite file that a process writes to all the time. */
const writer = `import sqlite3, time
db = sqlite3.connect('/srv/app/data/app.db', timeout=30, isolation_level=None)
db.execute('PRAGMA journal_mode=WAL')
db.execute('CREATE TABLE IF NOT EXISTS event(n INTEGER PRIMARY KEY, text TEXT)')
while True:
    try:
        db.execute("INSERT INTO event(text) VALUES (hex(randomblob(500)))")
    except sqlite3.OperationalError as error:
        print(error, flush=True)
        time.sleep(0.1)
    time.sleep(0.001)
`
const sql = (text: string) => `runuser -u postgres -- psql -qAtX -v ON_ERROR_STOP=1 shop <<'SQL'\n${text}\nSQL`
const backup = 'tar: uploads keep=3\nsqlite: data/app.db\npostgres: shop as=postgres'
const base = { backup, protect: '/data\n/uploads', rollback: 'data' }
/** What a migration may do, so that a dump alone could not be laid over it. */
const upheaval = `cd /srv/app; echo migrate begins
${sql(`BEGIN;
CREATE SCHEMA extra; CREATE TYPE extra.mood AS ENUM ('good', 'bad');
CREATE TABLE orders(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, no serial, customer int REFERENCES customer(id), mood extra.mood);
INSERT INTO orders(customer, mood) VALUES (1, 'good');
CREATE VIEW seen AS SELECT name FROM customer;
CREATE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
ALTER TABLE customer DROP COLUMN town;
DELETE FROM customer WHERE id = 2;
COMMIT;`)}
sqlite3 -cmd '.timeout 30000' data/app.db "CREATE TABLE later(x); DELETE FROM event WHERE n <= 5"
echo changed >uploads/a; rm uploads/b
echo migrate ends`

let host: LabHost
let app: Service
let dump = ''
const schema = async () => await host.sh('runuser -u postgres -- pg_dump shop | grep -v "^.\\(un\\)\\?restrict"')
const events = async () =>
  await host.sh(
    `sqlite3 -cmd '.timeout 30000' /srv/app/data/app.db "SELECT count(*) FROM event WHERE n <= 5; SELECT count(*) FROM sqlite_master WHERE name = 'later'; PRAGMA integrity_check"`,
  )
const backups = async () => (await host.sh(`cd ${app.state}/backups && ls */*`)).split('\n')

/** As it was before the migration, all of it, with everything that the writer added since. */
async function expectOldData(): Promise<void> {
  expect(await schema()).toBe(dump)
  expect(await events()).toBe('5\n0\nok')
  expect(await host.sh('cd /srv/app/uploads; grep . *')).toBe('a:one\nb:two')
}

beforeAll(async () => {
  host = await labHost({ name: 'data', user: 'root', layers: ['databases'] })
  app = new Service(host)
  await app.install()
  await host.sh(
    'for i in $(seq 100); do runuser -u postgres -- psql -c "" 2>/dev/null && exit; sleep 0.2; done; exit 1',
  )
  await host.sh(
    'cd /; runuser -u postgres -- createdb shop; mkdir -p /srv/app/data /srv/app/uploads; cd /srv/app/uploads; echo one >a; echo two >b',
  )
  await host.sh(
    sql(`CREATE TABLE customer(id int PRIMARY KEY, name text, town text); INSERT INTO customer VALUES (1, 'O''Hara', 'Ghent'), (2, 'Ünal', NULL);
CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql AS 'SELECT upper(t)'; CREATE VIEW loud AS SELECT shout(name) FROM customer`),
  )
  await host.write('/srv', { 'writer.py': writer }, 'root')
  await host.sh('systemd-run --quiet --unit=writer python3 /srv/writer.py')
  dump = await schema()
  const first = await app.deploy({ version: 'v1', inputs: base })
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
})
afterAll(async () => {
  await host?.[Symbol.asyncDispose]()
})

describe('a database, a file of SQLite under load, and a folder', () => {
  test('are backed up before the change, and said in the summary', async () => {
    const names = await backups()
    expect(names).toHaveLength(3)
    const release = await host.sh(`cat ${app.state}/current`)
    for (const name of names) expect(name).toContain(release)
    const sqlite = names.find((name) => name.endsWith('.sqlite'))
    expect(await host.sh(`sqlite3 ${app.state}/backups/${sqlite} 'PRAGMA integrity_check'`)).toBe('ok')
    expect(
      await host.sh(`stat -c %a ${app.state}/backups ${app.state}/backups/* ${app.state}/backups/*/* | sort -u`),
    ).toBe('600\n700')
  })

  test('are brought into another database by the commands of docs/data.md', async () => {
    const [shown] = fences('sh').filter(({ page, text }) => page === 'docs/data.md' && text.includes('pg_restore'))
    const dumped = (await backups()).find((name) => name.endsWith('.pgdump')) ?? ''
    const lines = shown?.text.split('\n').filter((line) => line.startsWith('runuser ')) ?? []
    const typed = lines.join('\n').replace(/postgres-shop-\S+\.pgdump/, dumped)
    await host.sh(`set -e; cd ${app.state}/backups\n${typed}`)
    expect(await host.sh(sql('SELECT count(*) FROM customer').replace(' shop ', ' shop_old '))).toBe('2')
  })

  test('come back when the new version cannot be activated', async () => {
    const failed = await app.deploy({ version: 'v2', inputs: { ...base, migrate: upheaval, activate: 'exit 3' } })
    expect(failed.outputs.result, failed.maskedLog).toBe('rolled-back')
    expect(failed.errors[0]?.message).toContain('HD-STEP-01')
    expect(failed.summary).toMatch(/back as of [^|]*: uploads, app.db, shop/)
    await app.expectVersion('v1')
    await expectOldData()
    expect((await app.ledger()).at(-1)).toMatchObject({ migration: 'done', data: 'restored' })
    const kept = (await backups()).filter((name) => name.includes('.failed.'))
    expect(kept).toHaveLength(3)
    const pg = kept.find((name) => name.endsWith('.pgdump'))
    expect(await host.sh(`pg_restore --list ${app.state}/backups/${pg}`)).toContain('TABLE DATA public orders')
  })

  test('come back when the migration fails in its middle', async () => {
    const failed = await app.deploy({ version: 'v2', inputs: { ...base, migrate: `${upheaval}\nfalse` } })
    expect(failed.outputs.result, failed.maskedLog).toBe('rolled-back')
    expect(failed.errors[0]?.message).toMatch(/half-done.*HD-DATA-05/s)
    await app.expectVersion('v1')
    await expectOldData()
    expect((await app.ledger()).at(-1)).toMatchObject({ code: 'HD-DATA-05', migration: 'begun', data: 'restored' })
  })

  test('come back when the runner dies in the migration', async () => {
    const migrate = `${upheaval}\nsleep 60`
    await app.start(
      { version: 'v2', inputs: { ...base, migrate } },
      (run) => void run.line(/migrate ends/).then(() => run.kill('SIGKILL')),
    )
    await app.expectNothingLeft(60)
    await app.expectVersion('v1')
    await expectOldData()
    expect((await app.ledger()).at(-1)).toMatchObject({
      result: 'rolled-back',
      code: 'HD-GUARD-01',
      migration: 'begun',
      data: 'restored',
    })
  })

  test('come back when the host reboots in the migration', async () => {
    const run = await app.start(
      { version: 'v2', inputs: { ...base, migrate: `${upheaval}\nsleep 60`, 'connect-timeout': '60s' } },
      (action) => void action.line(/migrate ends/).then(() => host.reboot()),
    )
    expect(run.outputs.result, run.maskedLog).toBe('rolled-back')
    await app.expectNothingLeft(60)
    await app.expectVersion('v1')
    await expectOldData()
    expect((await app.ledger()).at(-1)).toMatchObject({ result: 'rolled-back', migration: 'begun', data: 'restored' })
    await host.sh('systemd-run --quiet --unit=writer python3 /srv/writer.py')
  })

  test('stay migrated when the new version serves; a rollback by hand takes them along, and forwards again', async () => {
    const good = await app.deploy({ version: 'v2', inputs: { ...base, migrate: upheaval } })
    expect(good.outputs.result, good.maskedLog).toBe('deployed')
    expect(await host.sh(sql('SELECT count(*) FROM orders'))).toBe('1')
    const migrated = await schema()
    const back = await app.rollback({ rollback: 'data' })
    expect(back.outputs.result, back.maskedLog).toBe('deployed')
    await app.expectVersion('v1')
    await expectOldData()
    const forward = await app.rollback({ rollback: 'data', to: good.outputs.release ?? '' })
    expect(forward.outputs.result, forward.maskedLog).toBe('deployed')
    expect(await schema()).toBe(migrated)
    expect(await events()).toBe('0\n1\nok')
    const again = await app.rollback({ rollback: 'data' })
    expect(again.outputs.result, again.maskedLog).toBe('deployed')
    await expectOldData()
  })

  test('that cannot be read leave the old version untouched', async () => {
    await host.sh('systemctl stop postgresql')
    const failed = await app.deploy({ version: 'v3', inputs: base })
    await host.sh(
      'systemctl start postgresql; for i in $(seq 100); do runuser -u postgres -- psql -c "" 2>/dev/null && exit; sleep 0.2; done',
    )
    expect(failed.outputs.result, failed.maskedLog).toBe('failed')
    expect(failed.errors[0]?.message).toMatch(/shop cannot be backed up.*HD-DATA-01/s)
    await app.expectVersion('v1')
    await expectOldData()
  })

  test('were written to all the time', async () => {
    expect(await host.sh('journalctl -u writer --no-pager -o cat | grep -c -i malformed || true')).toBe('0')
    expect(await host.sh('systemctl is-active writer')).toBe('active')
  })
})

describe('a disk', () => {
  test.each(['before', 'during'])('that is full %s the backup leaves the old version untouched', async (when) => {
    await using small = await labHost({ name: `full-${when}`, user: 'root', disk: '160m' })
    const service = new Service(small)
    await service.install()
    const inputs = { backup: 'tar: uploads', protect: '/uploads' }
    const first = await service.deploy({ version: 'v1', inputs })
    expect(first.outputs.result, first.maskedLog).toBe('deployed')
    await small.sh('mkdir /srv/app/uploads; head -c 60000000 /dev/urandom >/srv/app/uploads/big')
    const fill = 'cat /dev/zero >/srv/filler 2>/dev/null; true'
    if (when === 'before') await small.sh('head -c 50000000 /dev/zero >/srv/filler')
    const failed = await service.start({ version: 'v2', inputs }, (run) => {
      if (when === 'during') void run.line(/^::group::Back up/).then(() => small.sh(fill))
    })
    await small.sh('rm /srv/filler')
    expect(failed.outputs.result, failed.maskedLog).toBe('failed')
    // Also the moment when the way back is written down, just before.
    expect(failed.errors[0]?.message, failed.maskedLog).toMatch(/HD-DATA-04|HD-DISK-01/)
    await service.expectVersion('v1')
    await service.expectNothingLeft(20)
    expect(await small.sh(`find ${service.state}/backups -type f`)).toBe('')
  })
})

test('another user than who deploys may own the data', async () => {
  await using host = await labHost({ name: 'as', user: 'deploy', layers: ['databases'] })
  const service = new Service(host)
  await service.install()
  await host.sh(
    'for i in $(seq 100); do runuser -u postgres -- psql -c "" 2>/dev/null && exit; sleep 0.2; done; exit 1',
  )
  await host.sh(`cd /; runuser -u postgres -- createdb shop; ${sql('CREATE TABLE t(x int); INSERT INTO t VALUES (1)')}`)
  await host.sh('install -d -o limited -m 700 /srv/theirs /srv/theirs/files')
  await host.sh(
    'cd /srv/theirs; echo 1 >files/a; sqlite3 app.db "CREATE TABLE t(x); INSERT INTO t VALUES (1)"; chown -R limited: .',
  )
  const backup = 'tar: /srv/theirs/files as=limited\nsqlite: /srv/theirs/app.db as=limited\npostgres: shop as=postgres'
  const spoil = `sudo -n sh -c 'echo 2 >/srv/theirs/files/a; sqlite3 /srv/theirs/app.db "UPDATE t SET x = 2"; runuser -u postgres -- psql -c "DROP TABLE t" shop'; exit 1`
  const failed = await service.deploy({ version: 'v1', inputs: { backup, rollback: 'data', activate: spoil } })
  expect(failed.outputs.result, failed.maskedLog).toBe('rolled-back')
  expect(
    await host.sh(`cat /srv/theirs/files/a; sqlite3 /srv/theirs/app.db 'SELECT x FROM t'; ${sql('SELECT x FROM t')}`),
  ).toBe('1\n1\n1')
  expect(await host.sh('stat -c %U /srv/theirs/files/a /srv/theirs/app.db; ls /var/tmp | grep hd- || true')).toBe(
    'limited\nlimited',
  )
  expect(await host.sh(`stat -c %U ${service.state}/backups/*/* | sort -u`)).toBe('deploy')

  const other = await labHost({ name: 'as-not', user: 'limited' })
  await using _ = other
  const small = new Service(other, '/home/limited/app')
  await other.sh('install -d -o limited /home/limited/app')
  const refused = await small.deploy({
    version: 'v1',
    inputs: { backup: 'tar: /srv/x as=root', activate: 'true', health: '' },
  })
  expect(refused.outputs.result, refused.maskedLog).toBe('failed')
  expect(refused.errors[0]?.message).toContain('limited ALL=(root) NOPASSWD: /bin/sh')
})
