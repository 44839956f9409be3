import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectError, expectNoLogin } from '../helpers/story.ts'
import { writeTree } from '../helpers/tree.ts'

test('a runner that starts actions with an old Node is told so, and nothing is touched', async () => {
  await using host = await startHost()
  await using folder = await scratch('node')
  // What tells an old one: it lacks what came with Node 24.
  const forget = 'data:text/javascript,delete globalThis.AsyncDisposableStack'
  const node = `#!/bin/sh\nexec '${process.execPath}' --import '${forget}' "$@"\n`
  await writeTree(folder.path, { node: { text: node, mode: 0o755 } })
  const run = await deploy(host, { node: join(folder.path, 'node'), skipPost: false })
  expectError(run, 'HD-NODE-01', 'Node 24 is needed', 'container: node:24-bookworm')
  expect(run.post?.exitCode).toBe(0)
  await expectNoLogin(host)
})
