import { Secret } from '../secret.ts'
import { decodeBase64 } from './base64.ts'
import { block, type Form, type Refuse } from './form.ts'
import { readHostFile } from './paths.ts'

export interface SecretFile {
  readonly path: string
  /** Its bytes in base64, since it may be binary. */
  readonly base64: Secret
}

interface Line {
  readonly number: number
  readonly path: string
  readonly base64: string
}

const shape = 'Write `path <- base64`, one file a line (`base64 -w0 FILE` prints it).'

/** The lines of `secret-files`. Base64 holds no `<`, so the last ` <- ` is the one. */
export function splitSecretFiles(text: string): Line[] {
  return text.split(/\r\n?|\n/).flatMap((line, index) => {
    if (/^\s*(#|$)/.test(line)) return []
    const [, path = '', base64 = ''] = /^(.*?)\s*<-\s*([^<]*)$/.exec(line.trim()) ?? []
    return [{ number: index + 1, path: path.trim(), base64: base64.trim() }]
  })
}

/** Messages name the line, and nothing of what it holds. A line without content is a matter of rules.ts. */
export const secretFiles: Form<readonly SecretFile[]> = block('lines `path <- base64`', [], (text, refuse) => {
  const seen = new Map<string, number>()
  return splitSecretFiles(text)
    .filter((line) => line.path === '' || line.base64 !== '')
    .map((line) => readLine(line, seen, (what, fix) => refuse(`line ${line.number} ${what}`, fix)))
    .filter((file) => file !== undefined)
})

function readLine(line: Line, seen: Map<string, number>, refuse: Refuse): SecretFile | undefined {
  if (line.path === '') return refuse('names no file', shape)
  const path = readHostFile(line.path, refuse)
  if (path === undefined) return undefined
  const before = seen.get(path)
  if (before !== undefined) return refuse(`names the file of line ${before} again`, 'Remove one of them.')
  seen.set(path, line.number)
  return decodeBase64(line.base64) ? { path, base64: new Secret(line.base64) } : refuse('holds no valid base64', shape)
}
