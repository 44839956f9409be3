import { expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { deploy, expectResult, expectSettled, liveTree, stateOf } from '../helpers/story.ts'
import { readTree } from '../helpers/tree.ts'

/** A path is data: no part of it is ever read by a shell, whichever way it is used. */
it.concurrent.each([
  'with spaces',
  `it's "quoted"`,
  '$(touch hacked) `touch hacked`',
  'a;touch hacked',
  '*?[1] \\n & | > #',
  'ünïcode 🚀',
])('deploys to %j and back', async (name) => {
  await using host = await startHost()
  const story = {
    source: { 'a b': 'one\n', 'sub/$(id)': 'x' },
    inputs: {
      path: `~/${name}`,
      activate: 'pwd >where; [ "$(cat "$RELEASE/a b")" = "$(cat "a b")" ]',
      'env-file': 'KEY=value-of-the-key',
      'secret-files': `sub dir/it's <- ${Buffer.from('bytes').toString('base64')}`,
      protect: 'where',
    },
  }
  const first = await deploy(host, story)
  expectResult(first, 'deployed')
  const tree = {
    '.env': { text: 'KEY=value-of-the-key\n', mode: 0o600 },
    'a b': 'one\n',
    "sub dir/it's": { text: 'bytes', mode: 0o600 },
    'sub/$(id)': 'x',
    where: `${host.home}/${name}\n`,
  }
  expect(await liveTree(host, name)).toEqual(tree)
  const broken = await deploy(host, {
    source: { 'a b': 'two\n' },
    inputs: { ...story.inputs, 'env-file': 'KEY=another-value', activate: 'exit 3', restore: 'cat "$RELEASE/a b"' },
  })
  expectResult(broken, 'rolled-back')
  expect(await liveTree(host, name)).toEqual(tree)
  // Nothing beside the tree and our own state: no file that a piece of the path has made.
  expect(
    Object.keys(await readTree(host.home)).filter((file) => !file.startsWith(name) && !file.startsWith('.local/')),
  ).toEqual([])
  expect(Object.keys(await readTree(stateOf(host)))).toContain('current')
  await expectSettled(host)
})
