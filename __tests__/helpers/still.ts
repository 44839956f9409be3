import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Everything below a folder, one line an entry: its kind and mode, owner, number of links, the times of its last two
 * kinds of change, and its content. What is the same before and after was not touched, not even to be put back.
 */
export async function still(root: string): Promise<string[]> {
  const lines: string[] = []
  const walk = async (path: string) => {
    const stat = await lstat(path, { bigint: true })
    const content = stat.isFile()
      ? (await readFile(path)).toString('base64')
      : stat.isSymbolicLink()
        ? await readlink(path)
        : ''
    lines.push(
      [
        path.slice(root.length),
        stat.mode.toString(8),
        stat.uid,
        stat.gid,
        stat.nlink,
        stat.mtimeNs,
        stat.ctimeNs,
        content,
      ].join(' '),
    )
    if (stat.isDirectory()) for (const name of (await readdir(path)).toSorted()) await walk(join(path, name))
  }
  await walk(root)
  return lines
}

/** Folders of ours in the memory of this machine, which stand-in hosts share with it. */
export async function scratches(): Promise<string[]> {
  const all = await Promise.all(['/dev/shm', '/tmp'].map((folder) => readdir(folder).catch(() => [])))
  return all.flat().filter((name) => name.startsWith('homelab-deploy.'))
}
