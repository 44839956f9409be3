import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { startDelayProxy } from '../helpers/delay-proxy.ts'
import { startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { expectResult, inputsFor } from '../helpers/story.ts'
import { commitTree } from '../helpers/tree.ts'

const size = 16_000_000

/** Over a line that takes some seconds for it: what the log says meanwhile, and what the report says of it in the end. */
async function sending(sync: string) {
  await using host = await startHost()
  await using proxy = await startDelayProxy({ host: '127.0.0.1', port: host.port })
  await using repo = await scratch('repo')
  await writeFile(join(repo.path, 'large'), randomBytes(size))
  const sha = await commitTree(repo.path, { small: 'x' })
  const place = { host: `deploy@127.0.0.1:${proxy.port}`, 'host-key': host.hostKey.line('127.0.0.1', proxy.port) }
  const result = await runAction({
    inputs: inputsFor(host, { ...place, sync }),
    workspace: repo.path,
    sha,
    onLine: (line) => {
      if (line === '::group::Compare and send') proxy.delayMs = 200
    },
  })
  expectResult(result, 'deployed')
  const lines = result.maskedLog.split('\n').flatMap((line) => /progress │ (.*)/.exec(line)?.[1] ?? [])
  return { lines, report: result.report as Report }
}

describe('what takes long says how far it is', () => {
  it.concurrent.each([
    ['tar', /^\d of 2 files \(\d+ %\), \d+\.\d MB sent$/],
    ['rsync', /\d+\.\d MB by rsync \(\d+ %\)$/],
    ['git', /^\d of \d objects sent(, \d+\.\d MB)? by git \(\d+ %\)$/],
  ])('%s, every other second at most', async (sync, news) => {
    const { lines, report } = await sending(sync)
    expect(lines.filter((line) => news.test(line)).length).toBeGreaterThan(0)
    expect(lines.length).toBeLessThan(12)
    expect(report.changes?.bytesSent).toBeGreaterThan(size)
  })
})
