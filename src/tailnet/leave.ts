import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Deadline, sleep } from '../clock.ts'

/**
 * For `post`: what main left in a tailnet, if anything. The keeper of the daemon has mostly noticed by itself that main is
 * gone and only needs a moment; one that waits for a main that cannot be reached any more is told.
 */
export async function leaveTailnet(folder: string): Promise<'left' | 'nothing to leave' | 'not left'> {
  // Only what was made for us is ever ended or removed.
  if (!/^hd-tailnet-\w+$/.test(basename(folder)) || !existsSync(folder)) return 'nothing to leave'
  const [daemon, keeper] = pidsIn(folder)
  if (keeper !== undefined && isOurs(keeper, folder)) process.kill(keeper, 'SIGTERM')
  const deadline = new Deadline(13_000)
  while (existsSync(folder) && !deadline.passed) {
    if (keeper === undefined || !isOurs(keeper, folder)) break
    await sleep(100)
  }
  // No keeper any more, and still a daemon: it logs itself out when it is asked to end, since its state is in memory.
  if (daemon !== undefined && isOurs(daemon, folder)) {
    process.kill(daemon, 'SIGTERM')
    for (const last = new Deadline(7_000); isOurs(daemon, folder) && !last.passed; ) await sleep(100)
    if (isOurs(daemon, folder)) process.kill(daemon, 'SIGKILL')
  }
  const left = !existsSync(folder) || daemon === undefined || !isOurs(daemon, folder)
  await rm(folder, { recursive: true, force: true })
  return left ? 'left' : 'not left'
}

function pidsIn(folder: string): (number | undefined)[] {
  try {
    return readFileSync(join(folder, 'pids'), 'utf8').trim().split(' ').map(Number)
  } catch {
    return []
  }
}

/** A number may have been given to another process since: ours names its folder. */
function isOurs(pid: number, folder: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
  } catch {
    return false
  }
}
