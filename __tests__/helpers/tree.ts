import { execFile } from 'node:child_process'
import { chmod, chown, lchown, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** A file as text, as text with a mode, or a symbolic link. A name that ends in `/` is an empty folder. */
export type Entry = string | { text: string; mode?: number } | { symlink: string } | { base64: string; mode?: number }
export type Tree = Record<string, Entry>

export interface TreeOptions {
  /** Given to everything that is made, where the test runs as root and the tree is for somebody else. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/** Writes a tree below a folder, which is made when missing. What is already there and not named stays. */
export async function writeTree(root: string, tree: Tree, { owner }: TreeOptions = {}): Promise<string> {
  const own = async (path: string) => {
    if (owner) await lchown(path, owner.uid, owner.gid)
  }
  const folder = async (path: string) => {
    const first = await mkdir(path, { recursive: true })
    if (!first || !owner) return
    for (let made = path; made.length >= first.length; made = dirname(made)) await chown(made, owner.uid, owner.gid)
  }
  await folder(root)
  for (const [name, entry] of Object.entries(tree)) {
    const path = join(root, name)
    if (name.endsWith('/')) {
      await folder(path.replace(/\/+$/, ''))
      continue
    }
    await folder(dirname(path))
    if (typeof entry !== 'string' && 'symlink' in entry) {
      await symlink(entry.symlink, path)
    } else {
      const bytes =
        typeof entry === 'string' ? entry : 'text' in entry ? entry.text : Buffer.from(entry.base64, 'base64')
      await writeFile(path, bytes)
      // By chmod, because the mode of an open is cut by the umask.
      await chmod(path, (typeof entry === 'string' ? undefined : entry.mode) ?? 0o644)
    }
    await own(path)
  }
  return root
}

/**
 * The same shape back, sorted, comparable with `toEqual`: a plain file of mode 644 is a string, an empty folder is
 * `'name/': ''`, bytes that are not UTF-8 are `{ base64 }`. `skip` names entries to leave out at any depth (`.git`).
 */
export async function readTree(root: string, skip: readonly string[] = []): Promise<Tree> {
  const tree: Tree = {}
  const walk = async (folder: string) => {
    const entries = await readdir(join(root, folder), { withFileTypes: true })
    const kept = entries.filter((entry) => !skip.includes(entry.name)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    if (kept.length === 0 && folder !== '') tree[`${folder}/`] = ''
    for (const entry of kept) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      const path = join(root, name)
      if (entry.isSymbolicLink()) tree[name] = { symlink: await readlink(path) }
      else if (entry.isDirectory()) await walk(name)
      else if (entry.isFile()) tree[name] = await readEntry(path)
      else tree[name] = { text: `<${entry.isFIFO() ? 'fifo' : entry.isSocket() ? 'socket' : 'device'}>` }
    }
  }
  await walk('')
  return tree
}

async function readEntry(path: string): Promise<Entry> {
  const mode = (await stat(path)).mode & 0o7777
  const bytes = await readFile(path)
  const text = bytes.toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(bytes))
    return { base64: bytes.toString('base64'), ...(mode === 0o644 ? {} : { mode }) }
  return mode === 0o644 ? text : { text, mode }
}

const run = promisify(execFile)

/** git that reads nobody's configuration, with a fixed author and clock: the same tree gives the same commit. */
export async function git(dir: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', dir, '-c', 'safe.directory=*', '-c', 'init.defaultBranch=main', ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: dir,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'Test',
      GIT_AUTHOR_EMAIL: 'test@example.com',
      GIT_COMMITTER_NAME: 'Test',
      GIT_COMMITTER_EMAIL: 'test@example.com',
      GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
      GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
    },
  })
  return stdout.trim()
}

/** Writes the tree (into a new or an existing repository), commits everything, and returns the commit. */
export async function commitTree(
  dir: string,
  tree: Tree,
  message = 'change',
  options: TreeOptions = {},
): Promise<string> {
  await writeTree(dir, tree, options)
  const fresh = await stat(join(dir, '.git')).then(
    () => false,
    () => true,
  )
  if (fresh) await git(dir, 'init', '-q')
  await git(dir, 'add', '-A')
  await git(dir, 'commit', '-q', '--allow-empty', '-m', message)
  return await git(dir, 'rev-parse', 'HEAD')
}
