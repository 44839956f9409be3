import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './command.ts'

/**
 * A control group for each host. Without one, all guests would share the group `payload` that systemd-nspawn makes where
 * it was started, and each guest's systemd would take the units of the others for its own.
 */
const prefix = 'homelab-'

export function makeCgroups(name: string): string[] {
  return roots().map((root) => {
    const path = join(root, prefix + name)
    mkdirSync(path, { recursive: true })
    return path
  })
}

/**
 * A group inside the guest's own tree, for commands that come from outside: logind and others ask for the group of
 * whoever speaks to them, and cannot even name one that is out of their sight.
 */
export function guestCgroups(name: string): string[] {
  return roots().map((root) => {
    const own = join(root, prefix + name)
    const path = join(own, folders(own).includes('payload') ? 'payload' : '', 'outside')
    mkdirSync(path, { recursive: true })
    return path
  })
}

export async function removeCgroups(name: string): Promise<void> {
  for (const root of roots()) await remove(join(root, prefix + name))
}

export function leftCgroups(): string[] {
  return roots().flatMap((root) =>
    folders(root)
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(root, name)),
  )
}

export async function removeAllCgroups(): Promise<void> {
  for (const path of leftCgroups()) await remove(path)
}

/** The version 2 tree, and, where both exist, systemd's own tree of version 1: those that nspawn hands to its guest. */
function roots(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
  return mounts.flatMap((fields) => {
    const type = fields[fields.indexOf('-') + 1]
    const wanted = type === 'cgroup2' || (type === 'cgroup' && fields.at(-1)?.includes('name=systemd'))
    return wanted && fields[4] ? [fields[4]] : []
  })
}

/** Ends what is still in it (version 2 can do that at once) and takes the folders away, the innermost first. */
async function remove(path: string): Promise<void> {
  try {
    writeFileSync(join(path, 'cgroup.kill'), '1')
  } catch {
    // version 1, or not there any more
  }
  await until(`the control group ${path} to be empty`, () => removed(path), 5_000)
}

function removed(path: string): boolean {
  try {
    for (const name of folders(path)) removed(join(path, name))
    rmdirSync(path)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function folders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  } catch {
    return []
  }
}
