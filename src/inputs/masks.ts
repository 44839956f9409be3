import { isUtf8 } from 'node:buffer'
import { decodeBase64 } from './base64.ts'
import { dotenvValues } from './dotenv.ts'
import { repair } from './private-key.ts'
import type { Environment } from './run.ts'
import { splitSecretFiles } from './secret-files.ts'
import { inputNames, specs } from './spec.ts'
import { variableOf } from './workflow.ts'

/** Words that are values of many variables and secrets of nobody: masking them would make the log unreadable. */
const common = new Set(
  'true false null none undefined localhost 127.0.0.1 0.0.0.0 yes no on off auto production development staging debug info warn warning error'.split(
    ' ',
  ),
)

/**
 * Everything to mask, from the environment alone and without judging it: call it first, mask, and only then load
 * the inputs, whose problems get printed.
 */
export function secretsIn(env: Environment): string[] {
  const found = inputNames
    .filter((name) => specs[name].secret)
    .flatMap((name) => {
      const text = env[variableOf(name)]?.trim() ?? ''
      if (name === 'env-file') return dotenvValues(text).filter(isTelling).flatMap(linesOf)
      if (name === 'secret-files') return splitSecretFiles(text).flatMap(({ base64 }) => [base64, ...contentOf(base64)])
      if (name === 'ssh-key') return [...linesOf(text), ...linesOf(repair(text))]
      return linesOf(text)
    })
  return [...new Set(found)].filter((value) => value !== '')
}

/**
 * A value of one line as it is; of a longer one each line that says something. The whole is left out, since the runner
 * would then mask each of its lines by itself, down to a `{`, and it reads its log line by line anyway.
 */
function linesOf(text: string): string[] {
  if (!/[\r\n]/.test(text)) return [text]
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => isTelling(line) && /[\p{L}\p{N}]/u.test(line) && !/^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(line))
}

function contentOf(base64: string): string[] {
  const bytes = decodeBase64(base64)
  if (bytes === undefined || !isUtf8(bytes)) return []
  const text = bytes.toString().trim()
  return isTelling(text) && !/[^\P{Cc}\r\n\t]/u.test(text) ? linesOf(text) : []
}

function isTelling(value: string): boolean {
  return value.length >= 4 && !/^\d{4}$/.test(value) && !common.has(value.toLowerCase())
}
