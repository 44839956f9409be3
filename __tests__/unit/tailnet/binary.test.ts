import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findPrograms, obtain } from '../../../src/tailnet/binary.ts'
import { latestVersion, type Package, packageOf } from '../../../src/tailnet/package.ts'
import { packageFile, packageServer, sha256, signed } from '../../helpers/package-server.ts'
import { type Scratch, scratch } from '../../helpers/scratch.ts'

let server: Awaited<ReturnType<typeof packageServer>>
let folder: Scratch
let file: Buffer
const said: string[] = []
const log = {
  info: (text: string) => void said.push(text),
  warning: (text: string) => void said.push(text),
  output() {},
  mask() {},
}
const path = '/stable/tailscale_1.102.4_amd64.tgz'

beforeEach(async () => {
  server = await packageServer()
  folder = await scratch('binary')
  file = await packageFile('1.102.4')
  server.files.set(path, file)
  said.length = 0
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

const known = (): Package => ({
  version: '1.102.4',
  name: 'tailscale_1.102.4_amd64.tgz',
  digest: sha256(file),
  roots: [],
  folder: `${server.url}/stable`,
})

async function get(wanted: Package): Promise<string> {
  const into = join(folder.path, `programs-${Math.random()}`)
  await mkdir(into)
  await obtain(wanted, join(folder.path, 'cache'), into, { log })
  expect((await readdir(into)).sort()).toEqual(['tailscale', 'tailscaled'])
  return await readFile(join(into, 'tailscaled'), 'utf8')
}

const kept = () => join(folder.path, 'cache/homelab-deploy-tailscale/1.102.4/tailscale_1.102.4_amd64.tgz')

describe('by the digest that is compiled in', () => {
  test('comes once over the network, and then from the cache', async () => {
    expect(await get(known())).toContain('tailscaled 1.102.4')
    expect(await get(known())).toContain('tailscaled 1.102.4')
    expect(server.asked).toEqual([path])
    expect(said.at(-1)).toMatch(/from the cache of the runner, verified/)
  })

  test('is judged again when it comes from the cache', async () => {
    await get(known())
    await writeFile(join(kept(), 'tailscale_1.102.4_amd64.tgz'), await packageFile('6.6.6'))
    expect(await get(known())).toContain('tailscaled 1.102.4')
    expect(server.asked).toEqual([path, path])
    expect(said.join('\n')).toMatch(/is not used: its SHA-256 is/)
  })

  test('is refused, without another try and without a trace, when it is another file', async () => {
    server.files.set(path, await packageFile('6.6.6'))
    await expect(get(known())).rejects.toMatchObject({
      code: 'HD-TAILNET-02',
      why: expect.stringContaining(sha256(file)),
    })
    expect(server.asked).toEqual([path])
    await expect(readdir(kept())).rejects.toThrow()
  })
})

describe('by the signature', () => {
  test('of any other version, also from the cache', async () => {
    const { root, keys, keysSignature, signature } = signed(file)
    const wanted = { ...known(), digest: undefined, roots: [root] }
    server.files.set('/distsign.pub', keys).set('/distsign.pub.sig', keysSignature).set(`${path}.sig`, signature)
    expect(await get(wanted)).toContain('tailscaled 1.102.4')
    expect(await get(wanted)).toContain('tailscaled 1.102.4')
    expect(server.asked).toHaveLength(4)
    await writeFile(join(kept(), 'tailscale_1.102.4_amd64.tgz'), await packageFile('6.6.6'))
    expect(await get(wanted)).toContain('tailscaled 1.102.4')
    expect(server.asked).toHaveLength(8)
    await expect(get({ ...wanted, roots: [signed(file).root], version: '1.0.0' })).rejects.toMatchObject({
      code: 'HD-TAILNET-02',
      why: expect.stringContaining('does not bear the signature of Tailscale'),
    })
  })
})

describe('the server', () => {
  test.each([
    ['answers 500 and then well', [500, 'ok'], 2],
    ['answers 429 and then well', [429, 'ok'], 2],
    ['cuts the file off and then does not', ['cut', 'ok'], 2],
  ] as const)('%s', async (_, moods, requests) => {
    server.moods.set(path, [...moods])
    expect(await get(known())).toContain('tailscaled 1.102.4')
    expect(server.asked).toHaveLength(requests)
  })

  test.each([
    ['has no such file', [404], 1, /answered 404/],
    ['cuts the file off each time', ['cut', 'cut', 'cut'], 3, /aborted|ended after/],
    ['is broken for good', [503, 503, 503], 3, /answered 503/],
  ] as const)('%s', async (_, moods, requests, why) => {
    server.moods.set(path, [...moods])
    await expect(get(known())).rejects.toMatchObject({ code: 'HD-TAILNET-02', why: expect.stringMatching(why) })
    expect(server.asked).toHaveLength(requests)
  })

  test('is not there', async () => {
    const nowhere = { ...known(), folder: 'http://127.0.0.1:9/stable' }
    await expect(get(nowhere)).rejects.toMatchObject({
      code: 'HD-TAILNET-02',
      why: expect.stringMatching(/ECONNREFUSED/),
    })
  })

  test('says which version is the newest, or something else', async () => {
    server.files.set('/stable/?mode=json', Buffer.from('{"TarballsVersion": "1.104.2"}'))
    expect(await latestVersion(server.url)).toBe('1.104.2')
    server.files.set('/stable/?mode=json', Buffer.from('<html>welcome'))
    await expect(latestVersion(server.url)).rejects.toMatchObject({ code: 'HD-TAILNET-02' })
  })

  test('is waited for no longer than the job is wanted', async () => {
    server.moods.set(path, ['silent'])
    const cancel = new AbortController()
    const getting = obtain(known(), join(folder.path, 'cache'), folder.path, { log, signal: cancel.signal })
    setTimeout(() => cancel.abort(new Error('cancelled')), 50)
    await expect(getting).rejects.toThrow('cancelled')
  })
})

test('an odd number in the middle is an unstable version, and a slash at the end of the mirror is of no matter', () => {
  expect(packageOf('1.102.4', 'https://m.example/x/').folder).toBe('https://m.example/x/stable')
  expect(packageOf('1.103.1', 'https://m.example/x').folder).toBe('https://m.example/x/unstable')
  expect(packageOf('1.102.4', '').digest).toMatch(/^[0-9a-f]{64}$/)
  expect(packageOf('1.102.3', '').digest).toBeUndefined()
})

test('a folder of the user has to hold both programs', async () => {
  await writeFile(join(folder.path, 'tailscale'), '', { mode: 0o755 })
  await writeFile(join(folder.path, 'tailscaled'), '')
  await expect(findPrograms({ folder: folder.path }, folder.path, { log })).rejects.toMatchObject({
    code: 'HD-TAILNET-02',
    what: expect.stringContaining('tailscaled is not a program'),
  })
})
