import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { expectResult, inputsFor } from '../helpers/story.ts'

const MiB = 1 << 20
/** The whole gigabyte takes a while: `HOMELAB_LARGE=1 npm test` sends it. */
const size = (process.env['HOMELAB_LARGE'] ? 1024 : 300) * MiB
const limitMiB = 200

/** Runs, and looks again and again at the peak that the kernel keeps for the process. */
async function measured(options: Parameters<typeof startAction>[0]) {
  const run = startAction(options)
  let peak = 0
  const look = setInterval(() => {
    try {
      const [, kib = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${run.pid}/status`, 'utf8')) ?? []
      peak = Math.max(peak, Number(kib) / 1024)
    } catch {
      // between main and post
    }
  }, 25)
  try {
    return { result: await run.finished, peak }
  } finally {
    clearInterval(look)
  }
}

it('ten thousand files arrive, and the second deploy sends only the one that changed', {
  timeout: 60_000,
}, async () => {
  await using host = await startHost()
  await using workspace = await scratch('workspace')
  for (let folder = 0; folder < 100; folder++) {
    await mkdir(join(workspace.path, `d${folder}`))
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => writeFile(join(workspace.path, `d${folder}`, `f${n}`), `${folder}/${n}\n`)),
    )
  }
  const inputs = inputsFor(host)
  const { result, peak } = await measured({ inputs, workspace: workspace.path })
  expectResult(result, 'deployed')
  expect(result.maskedLog).toContain('10000 added')
  expect(readFileSync(join(host.home, 'app/d99/f99'), 'utf8')).toBe('99/99\n')
  expect(peak).toBeGreaterThan(30)
  expect(peak).toBeLessThan(limitMiB)

  await writeFile(join(workspace.path, 'd7/f7'), 'changed\n')
  const second = await measured({ inputs, workspace: workspace.path })
  expectResult(second.result, 'deployed')
  expect(second.result.maskedLog).toMatch(/1 changed; \d kB/)
  expect(readFileSync(join(host.home, 'app/d7/f7'), 'utf8')).toBe('changed\n')
})

it(`a file of ${size / MiB} MiB arrives whole, in less than ${limitMiB} MiB of memory`, {
  timeout: 240_000,
}, async () => {
  await using host = await startHost()
  await using workspace = await scratch('workspace')
  const file = join(workspace.path, 'big.img')
  // Random pieces with holes between them, as in the image of a disk.
  await using handle = await open(file, 'w')
  await handle.truncate(size)
  for (let at = 0; at < size; at += 4 * MiB) await handle.write(randomBytes(MiB), 0, MiB, at)
  const { result, peak } = await measured({ inputs: inputsFor(host), workspace: workspace.path, timeoutMs: 230_000 })
  expectResult(result, 'deployed')
  expect(await digest(join(host.home, 'app/big.img'))).toBe(await digest(file))
  expect(peak).toBeGreaterThan(30)
  expect(peak).toBeLessThan(limitMiB)
})

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: MiB }), hash)
  return hash.digest('hex')
}
