import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileDrift } from '../../src/pipeline/drift.ts'
import { openScratch } from '../../src/remote/scratch.ts'
import { parseStanding, standingScript } from '../../src/remote/standing.ts'
import { assign } from '../../src/shell.ts'
import { configFunctions } from '../../src/strategies/compose/foresee.ts'
import { foresee as uvForesee } from '../../src/strategies/uv/foresee.ts'
import { lookAtTrees, wantedFromRunner } from '../../src/sync/compare.ts'
import { scanSource } from '../../src/sync/manifest.ts'
import { drawPicture, sendForALook, worthALook } from '../../src/sync/picture.ts'
import { excludedBy, treeScript } from '../../src/sync/script.ts'
import { LocalHost, shells } from '../helpers/local-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { still } from '../helpers/still.ts'
import { readTree, type Tree, writeTree } from '../helpers/tree.ts'

/** The shell by which a plan and a status look, in the shells that hosts have. What they look at is not touched. */
const signal = new AbortController().signal
const filters = { exclude: ['*.log'], protect: ['data'], deleteLimit: 1_000 }

describe.each(shells())('$name', (shell) => {
  const host = new LocalHost(shell)

  /** The picture of `next` on a host that has `live`, where the release before was `old`. */
  async function picture(old: Tree, live: Tree, next: Tree) {
    await using folder = await scratch('picture')
    const [source, path, previous] = ['source', 'live', 'old'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ]
    await writeTree(source, next)
    await writeTree(path, live)
    await writeTree(join(previous, 'tree'), old)
    const lines = (await scanSource(join(previous, 'tree'), excludedBy(filters))).map(({ line }) => `${line}\n`)
    writeFileSync(join(previous, 'manifest'), lines.join(''))
    const places = {
      state: folder.path,
      path,
      release: join(folder.path, 'new'),
      previous,
      work: join(folder.path, 'work'),
    }
    const before = [await still(path), await still(previous)]
    const entries = await scanSource(source, excludedBy(filters))
    const wanted = { ...wantedFromRunner(entries, filters), whenAllowed: '' }
    const { difference, obstacles } = await lookAtTrees(host, places, filters, wanted)
    expect(obstacles).toEqual([])
    const { sent, left } = worthALook(entries, difference, filters, ['marker'])
    await sendForALook(host, places, source, sent, signal)
    const { code, tail } = await host.run(`${treeScript(places, filters)}\n${drawPicture}`)
    expect([code, tail]).toEqual([0, ''])
    expect([await still(path), await still(previous)]).toEqual(before)
    // As whoever follows the links sees it.
    execFileSync('cp', ['-rL', `${places.release}/tree`, join(folder.path, 'seen')])
    return { seen: await readTree(join(folder.path, 'seen')), sent: sent.map(({ name }) => name), left }
  }

  it('draws the new tree from what is sent and links to what stays, and touches neither', async () => {
    const old = {
      'a/same': 's',
      'a/b/changed': '1',
      'a/b/gone': 'g',
      'edited.txt': 'old',
      'deep/er/x': 'x',
      'dir to file/x': '',
    }
    const live = {
      ...old,
      'edited.txt': 'by hand',
      'data/rows': 'rows',
      '.env': 'A=1',
      'a/app.log': 'log',
      "odd 'name": 'o',
    }
    const next = {
      'a/same': 's',
      'a/b/changed': '2',
      'edited.txt': 'old',
      'deep/er/x': 'x',
      'new/y': 'y',
      '.env': 'A=2',
      'dir to file': 'f',
    }
    const { seen, sent, left } = await picture(old, live, next)
    expect(seen).toEqual({ ...next, '.env': 'A=1', 'data/rows': 'rows', 'a/app.log': 'log' })
    expect(sent.toSorted()).toEqual(['a/b/changed', 'dir to file', 'new/y'])
    expect(left).toBe(0)
  })

  it('leaves out what is large, but not the marker; and draws a first deploy', async () => {
    const large = 'x'.repeat(300 * 1024)
    const next = { marker: large, 'big.bin': large, small: 's', 'line\nbreak': 'n', 'back\\slash': 'b' }
    const { seen, left } = await picture({}, { 'mine/notes': '' }, next)
    expect(seen).toEqual({ marker: large, small: 's', 'mine/': '' })
    expect(left).toBe(1)
  })

  it('never writes through a link that leads into the live tree', async () => {
    const live = { 'real/inside': 'i', linked: { symlink: 'real' } }
    const { seen } = await picture({}, live, { 'linked/inside': 'new', 'real/inside': 'i' })
    expect(seen).toMatchObject({ 'linked/inside': 'new' })
  })

  it('has a folder in memory for as long as somebody holds it', async () => {
    let path = ''
    {
      await using held = await openScratch(host)
      path = held.path
      expect(path).toMatch(/^\/dev\/shm\/homelab-deploy\./)
      expect(execFileSync('stat', ['-c', '%a', path], { encoding: 'utf8' }).trim()).toBe('700')
    }
    expect(() => execFileSync('stat', [path], { stdio: 'pipe' })).toThrow()
  })

  it('reads who is there without leaving a trace, also where nothing is', async () => {
    await using folder = await scratch('standing')
    const ask = async (state: string) => parseStanding((await host.run(assign({ state }) + standingScript)).text)
    const nothing = { lock: undefined, maintenance: undefined, pending: undefined, ledger: [] }
    expect(await ask(join(folder.path, 'none'))).toEqual(nothing)
    await writeTree(folder.path, {
      'lock/lease': '',
      'lock/owner.json': '{"run":"https://r","since":"now"}',
      maintenance: 'a  new\ndisk\n',
      'pending.json': '{"id":"1","run":"r",\n"at":"then"}',
      'ledger.jsonl': '{"result":"deployed"}\n{"result":"rol\n{"result":"failed"}\n',
    })
    const before = await still(folder.path)
    expect(await ask(folder.path)).toMatchObject({
      lock: { stale: false, run: 'https://r', since: 'now' },
      maintenance: { why: 'a new disk' },
      pending: { id: '1', at: 'then' },
      ledger: [{ result: 'failed' }, { result: 'deployed' }],
    })
    expect(await still(folder.path)).toEqual(before)
    execFileSync('touch', ['-d', '10 minutes ago', join(folder.path, 'lock/lease')])
    expect((await ask(folder.path)).lock?.stale).toBe(true)
    await rm(join(folder.path, 'lock/owner.json'))
    expect((await ask(folder.path)).lock).toEqual({ stale: true })
  })

  it('names variables that differ, and nothing of what they hold', async () => {
    await using folder = await scratch('drift')
    const path = join(folder.path, 'live')
    const release = join(folder.path, 'release')
    const deployed = 'A=1\nexport B = two\n# C=3\nKEY="one\nINSIDE=x\n"\nSAME=\'s\'\nGONE=\n'
    const now = 'A=2\nexport B = two\nKEY="one\nOTHER=y\n"\nSAME=\'s\'\nNEW=`a\nIN=z\n`\n'
    await writeTree(path, { '.env': now, 'tls.key': 'other', 'same.key': 'k' })
    await writeTree(release, {
      'files/list': '0 .env\n1 tls.key\n2 same.key\n3 none.key\n',
      'files/0.names': 'A\n',
      'files/0': deployed,
      'files/1': 'key',
      'files/2': 'k',
      'files/3': '',
    })
    const places = { state: folder.path, path, release, previous: release }
    const each = `hd_each_file() { while IFS= read -r line; do "$1" "\${line%% *}" "$path/\${line#* }"; done <"$release/files/list"; }
hd_file_same() { cmp -s "$release/files/$1" "$2"; }\n`
    const { text } = await host.run(`${treeScript(places, filters)}\n${each}${fileDrift}`)
    const said = text
      .trim()
      .split('\n')
      .map((line) => line.replaceAll(`${path}/`, ''))
    expect(said).toEqual([
      'drift.env A has another value in .env',
      'drift.env GONE is gone from .env',
      'drift.env NEW is new in .env',
      'drift.env tls.key differs',
      'drift.env none.key is gone',
    ])
  })

  it('tells what another uv.lock means, and what happens to the units', async () => {
    await using folder = await scratch('uv')
    const lock = (...packages: (readonly [string, string?])[]) =>
      `version = 1\nrequires-python = ">=3.12"\n\n${packages.map(([name, version]) => `[[package]]\nname = "${name}"\n${version ? `version = "${version}"\n` : ''}source = { registry = "https://r" }\ndependencies = [\n    { name = "inner" },\n]\n`).join('\n')}`
    await writeTree(folder.path, {
      'live/uv.lock': lock(['same', '1'], ['up', '1.9'], ['gone', '2'], ['fork', '1'], ['fork', '2'], ['member']),
      'release/tree/uv.lock': lock(['same', '1'], ['up', '1.10'], ['come', '3'], ['fork', '1'], ['member']),
      'release/tree/deploy/api.service': 'new\n',
      'release/tree/deploy/timer.service': 'same\n',
      'units/api.service': 'old\n',
      'units/timer.service': 'same\n',
      'prev/units': 'api.service\nold.service\n',
      'work/': '',
    })
    const at = (name: string) => join(folder.path, name)
    const values = assign({
      path: at('live'),
      release: at('release'),
      prev: at('prev'),
      work: at('work'),
      hd_unit_dir: at('units'),
    })
    const units =
      'hd_units() { printf "%s\\n" api worker; }\nhd_unit_files() { printf "%s\\n" api.service timer.service; }\nhd_file_of() { echo "deploy/$1"; }\n'
    const { text, tail } = await host.run(values + units + uvForesee)
    expect(tail).toBe('')
    expect(text.trim().split('\n')).toEqual([
      '+ come 3',
      '~ fork 1, 2 → 1',
      '- gone 2',
      '~ up 1.9 → 1.10',
      ...['~ unit file api.service', '- unit file old.service', 'down api is restarted', 'down worker is restarted'],
    ])
  })

  it('tells which keys of which services another configuration changes', async () => {
    await using folder = await scratch('compose')
    const service = (name: string, image: string, port: string) =>
      `  ${name}:\n    environment:\n      A: ***\n    image: ${image}\n    ports:\n      - mode: ingress\n        target: ${port}\n`
    await writeTree(folder.path, {
      old: `name: shop\nservices:\n${service('web', 'nginx:1', '80')}${service('db', 'pg', '5432')}${service('gone', 'x', '1')}networks:\n  default:\n    name: shop_default\nvolumes:\n  rows:\n    name: shop_rows\n`,
      new: `name: shop\nservices:\n${service('web', 'nginx:2', '81')}${service('db', 'pg', '5432')}${service('come', 'y', '2')}networks:\n  default:\n    name: shop_default\n  inner:\n    name: shop_inner\n`,
    })
    const { text, tail } = await host.run(
      `${configFunctions}hc_config_diff ${join(folder.path, 'old')} ${join(folder.path, 'new')} >&3`,
    )
    expect(tail).toBe('')
    // In which order the keys come is for the awk to say.
    const said = text.trim().replace('ports, image', 'image, ports').split('\n')
    expect(said.toSorted()).toEqual([
      ...['+ network inner', '+ service come', '- service gone (left as it is)', '- volume rows'],
      ...['down web is recreated', '~ service web: image, ports'],
    ])
  })
})
