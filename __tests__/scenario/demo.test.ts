import { execFile } from 'node:child_process'
import { chmod, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { scratch } from '../helpers/scratch.ts'

test('the demo: four deploys end as they should, and nothing of them stays', async () => {
  await using folder = await scratch('demo-test')
  await chmod(folder.path, 0o755) // the account of its host lives below
  await using page = await scratch('demo-page')
  const file = join(page.path, 'page.html')
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/demo.ts', '--html', file], {
    env: { ...process.env, TMPDIR: folder.path, NO_COLOR: '1' },
  })

  expect(stdout).toMatch(/All four ended as they should/)
  expect(stdout.match(/Result: [^,]*/g)).toEqual([
    ...['Result: deployed', 'Result: deployed', 'Result: rolled-back', 'Result: deployed'],
  ])
  // What takes long says so, the failed step says why, and all of it comes before the result.
  expect(stdout).toMatch(
    /▾ Check health\n +progress │ .*: 500 in \d+ ms\n[\s\S]*✗ The new version is not healthy.*\n +▾ Roll back/,
  )
  expect(stdout).toMatch(/After: {2}200 shop v1: apples \(visitor \d+\)\n.*checkout/)
  expect((await readFile(file, 'utf8')).match(/<section>/g)).toHaveLength(4)
  expect(await readdir(folder.path)).toEqual([])
})
