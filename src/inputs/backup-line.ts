import { parseBackup } from '../data/index.ts'
import type { Reader } from './form.ts'
import { readDataPath } from './paths.ts'

/** A line of `backup`, checked here and understood again where it is used: the record of a release keeps the text. */
export const readBackupLine: Reader<string> = (text, refuse) => {
  const backup = parseBackup(text)
  if (typeof backup === 'string') {
    const shape = 'Write `tar: PATH…`, `sqlite: FILE` or `postgres: DB`, then `keep=N` and `as=USER`.'
    return refuse(`has a line that is no backup: ${backup}`, shape, text)
  }
  if (backup.kind === 'postgres') return text
  return backup.of.every((path) => readDataPath(path, refuse) !== undefined) ? text : undefined
}
