import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, until } from './command.ts'
import { ensureBase } from './image.ts'
import { requireMachine } from './machine.ts'
import { networkUp } from './network.ts'
import { hostsFolder, labFolder, lockFile } from './paths.ts'
import { leftovers, sweep } from './sweep.ts'

/**
 * The lab as a whole: images, network, and the promise that nothing of it stays. One at a time on a machine, because
 * there is one network; a second one waits.
 */
export async function startLab(): Promise<AsyncDisposable> {
  await requireMachine()
  await mkdir(labFolder, { recursive: true })
  const kind = await run(['stat', '--file-system', '--format=%T', labFolder])
  if (kind === 'overlayfs') throw new Error(`${labFolder} is on an overlay: set HOMELAB_LAB to a folder on a real disk`)
  await until('another run of the lab to end', lockIsFree, 30 * 60_000, 1_000)
  await writeFile(lockFile, `${process.pid}\n`)
  await sweep()

  // Ends the lab when this process cannot: Ctrl-C, a crash, SIGKILL. It notices by the end of its standard input.
  const undertaker = spawn(process.execPath, [join(import.meta.dirname, 'undertaker.ts')], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  undertaker.unref()
  ;(undertaker.stdin as unknown as { unref(): void }).unref()
  await writeFile(lockFile, `${process.pid}\n${undertaker.pid}\n`)
  const end = async () => {
    await sweep()
    undertaker.kill('SIGKILL')
    await rm(lockFile, { force: true })
    const left = await leftovers()
    if (left.length > 0) throw new Error(`the lab has left behind:\n${left.join('\n')}`)
  }
  try {
    await ensureBase()
    await mkdir(hostsFolder, { recursive: true })
    await networkUp()
  } catch (error) {
    await end()
    throw error
  }
  return { [Symbol.asyncDispose]: end }
}

/** Free when none of its holders lives: the run itself, and its undertaker, who may be at work a moment longer. */
function lockIsFree(): boolean {
  if (!existsSync(lockFile)) return true
  return readFileSync(lockFile, 'utf8')
    .split('\n')
    .filter(Boolean)
    .every((pid) => !isNode(pid))
}

/** A number may have been given to another process since; that one is hardly a node as well. */
function isNode(pid: string): boolean {
  try {
    return /node|vitest|Main/i.test(readFileSync(`/proc/${pid}/comm`, 'utf8'))
  } catch {
    return false
  }
}
