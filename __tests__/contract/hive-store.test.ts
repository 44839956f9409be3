import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { refuseSecretsInStore } from '../../src/pipeline/hive-store.ts'
import { Secret } from '../../src/secret.ts'
import type { HiveNode } from '../../src/strategies/colmena/nodes.ts'
import { type Scratch, scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'

/** The search is done by the shell and its tools. Of Nix it wants one answer, what a system is built from, which is played here. */
let folder: Scratch
const secret = 'a key, and a line\nof it'
const node = (drv: string): HiveNode => ({
  name: 'web',
  host: 'web',
  user: null,
  port: null,
  system: '',
  toplevel: '',
  buildOnTarget: false,
  keys: [],
  drv,
})
const file = (path: string, text = secret) => ({ path, base64: new Secret(Buffer.from(text).toString('base64')) })

beforeEach(async () => {
  folder = await scratch('hive store')
  await writeTree(folder.path, {
    'source/tls/key.pem': secret,
    'source/empty': '',
    'store/1-of-that-length/key.pem': secret.replace('key', 'cat'),
    'store/2-longer/key.pem': `${secret} `,
    'store/3-empty/file': '',
    'bin/nix-store': `#!/bin/sh\n[ "$*" = '-q --requisites /nix/store/web.drv' ] || exit 9\necho /nix/store/web.drv; printf '%s\\n' '${folder.path}/store'/*\n`,
  })
  await chmod(join(folder.path, 'bin/nix-store'), 0o755)
  vi.stubEnv('PATH', `${folder.path}/bin:${process.env.PATH}`)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})
const look = async (nodes = [node('/nix/store/web.drv')], files = [file('empty', ''), file('tls/key.pem')]) =>
  await refuseSecretsInStore(nodes, files, join(folder.path, 'source'))

describe('a secret file in the Nix store', () => {
  it('is no file that merely has its length, or its beginning, and none that is empty', async () => {
    await expect(look()).resolves.toBeUndefined()
  })

  it('is refused, by whatever name and in whatever folder it is', async () => {
    const copy = 'store/4-source of all/deep er/other-name'
    await writeTree(folder.path, { [copy]: secret })
    await expect(look()).rejects.toMatchObject({ code: 'HD-HIVE-05', why: expect.stringContaining(copy) })
  })

  it('is looked for where something is built, and where there is a secret', async () => {
    await writeTree(folder.path, { 'store/4-source/key.pem': secret })
    await expect(look([node('')])).resolves.toBeUndefined()
    await expect(look([node('/nix/store/web.drv')], [])).resolves.toBeUndefined()
  })
})
