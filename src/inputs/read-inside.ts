import { readFileSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, relative } from 'node:path'

/** Reads a file that must lie in a directory; undefined when there is none. Throws what to say when it may not be read. */
export type ReadFile = (file: string, directory: string) => string | undefined

export const readInside: ReadFile = (file, directory) => {
  let real: string
  try {
    real = realpathSync(file)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR'))
      return undefined
    throw cause
  }
  // A link in a pull request may point at any file of the runner, and messages quote what they read.
  if (!isInside(real, realpathSync(directory))) throw new Error('is a link that leads out of the workspace')
  const stat = statSync(real)
  if (!stat.isFile()) throw new Error('is not a file')
  if (stat.size > 1024 * 1024) throw new Error('is larger than 1 MiB')
  return readFileSync(real, 'utf8')
}

export function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path)
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way)
}
