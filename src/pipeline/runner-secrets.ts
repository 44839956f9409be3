import { constants } from 'node:fs'
import { mkdir, open, realpath, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { DeployError } from '../errors.ts'
import { runTool } from '../runner/exec.ts'
import type { ManagedFile } from './plan.ts'

/** Files of a run in the checkout on the runner, and the folders that were made for them; the inner ones come first. */
export interface Written {
  readonly files: readonly string[]
  readonly folders: readonly string[]
}

/**
 * Writes the secret files where a hive reads them, with mode 600. They are not to be there before, nor to be a part of what Nix takes into
 * its store, which everybody may read. `remember` hears of each before it exists, so that whoever comes after us can remove it.
 */
export async function writeSecretFiles(
  source: string,
  files: readonly ManagedFile[],
  remember: (written: Written) => void,
): Promise<Written> {
  const root = await realpath(source)
  const written = { files: [] as string[], folders: [] as string[] }
  try {
    for (const { path, base64 } of files) {
      const file = join(root, path)
      const folders = await missingFolders(dirname(file))
      await refuseOutside(root, dirname(folders.at(-1) ?? file), path)
      await refuseTracked(root, path)
      if ((await stat(file).catch(() => undefined)) !== undefined) throw inTheWay(path)
      written.folders.unshift(...folders)
      written.files.push(file)
      remember(written)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await using handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
      await handle.writeFile(Buffer.from(base64.reveal(), 'base64'))
    }
    return written
  } catch (error) {
    await removeSecretFiles(written)
    throw error
  }
}

/** Of folders those alone that are empty now: what somebody else put there is his. */
export async function removeSecretFiles({ files, folders }: Written): Promise<void> {
  for (const file of files) await rm(file, { force: true })
  for (const folder of folders) await rmdir(folder).catch(() => {})
}

/** The innermost first. */
async function missingFolders(folder: string): Promise<string[]> {
  const missing: string[] = []
  for (let at = folder; (await stat(at).catch(() => undefined)) === undefined; at = dirname(at)) missing.push(at)
  return missing
}

async function refuseOutside(root: string, folder: string, path: string): Promise<void> {
  const real = await realpath(folder)
  if (real === root || !relative(root, real).startsWith('..')) return
  throw new DeployError('HD-HIVE-05', `The secret file ${path} would be written outside of the source.`, {
    why: `A link in the source leads to ${real}.`,
    fix: 'Give it a place in the source that no link leads out of.',
  })
}

/** What git tracks, a flake takes into the store, changes that were never committed too. */
async function refuseTracked(root: string, path: string): Promise<void> {
  const args = ['-c', 'safe.directory=*', '-C', root, 'ls-files', '--error-unmatch', '--', path]
  const { code } = await runTool('git', args).catch(() => ({ code: 1 }))
  if (code !== 0) return
  throw new DeployError('HD-HIVE-05', `git tracks ${path}, so the secret in it would enter the Nix store.`, {
    why: 'Nix takes every file that git tracks into its store, which everybody on the runner and on the nodes may read.',
    fix: `Run \`git rm --cached ${path}\`, name it in .gitignore and commit that. If real values were ever committed, replace them.`,
  })
}

function inTheWay(path: string): DeployError {
  return new DeployError('HD-HIVE-05', `The source has a file ${path} already.`, {
    why: 'It would be overwritten by the one of `secret-files`, and removed afterwards.',
    fix: 'Remove it before this step; on a runner of your own it may be left of a run that lost its power.',
  })
}
