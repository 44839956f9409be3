import { expect } from 'vitest'
import type { LabHost } from './host.ts'

/**
 * Everything on the disks of a host: names, modes, owners, sizes, and the times of the last change of content and of the rest,
 * which nobody can set back. Left out is what any login writes: the logs, and what is in memory.
 */
async function disks(host: LabHost): Promise<string[]> {
  const left = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/log'].map((path) => `-path ${path}`).join(' -o ')
  const all = await host.sh(
    `sync; find / -xdev '(' ${left} ')' -prune -o -printf '%p %y %m %U:%G %s %T@ %C@ %l\\n' | LC_ALL=C sort; ls -d /dev/shm/* /tmp/homelab* 2>/dev/null; true`,
  )
  return all.split('\n')
}

/** With an eye on the disks meanwhile. */
export async function watched<T>(host: LabHost, run: () => Promise<T>): Promise<T> {
  const before = await disks(host)
  const result = await run()
  const after = await disks(host)
  const [was, is] = [new Set(before), new Set(after)]
  expect([
    after.filter((line) => !was.has(line)).slice(0, 20),
    before.filter((line) => !is.has(line)).slice(0, 20),
  ]).toEqual([[], []])
  return result
}
