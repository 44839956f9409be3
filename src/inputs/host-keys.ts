import type { HostKeyPolicy, PinnedKey } from '../remote/target.ts'
import { readFingerprint } from './fingerprint.ts'
import { block, type Form, type Raw, type Refuse } from './form.ts'
import { isKeyType, readKnownHost } from './known-host.ts'

const forms = 'Write known_hosts lines, `SHA256:…` fingerprints, `tailnet` or `accept-new`.'

/** How the key of a host is judged. A YAML list is a line each: known_hosts lines hold commas. */
export const hostKey: Form<HostKeyPolicy> = {
  ...block<HostKeyPolicy>('', { mode: 'strict' }, () => undefined),
  list: true,
  schema: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
  read: readHostKeys,
}

export function readHostKeys(raw: Raw, refuse: Refuse): HostKeyPolicy | undefined {
  if (/PRIVATE KEY/.test(raw.text)) {
    return refuse(
      'holds a private key',
      'This is for the public key of the host: the output of `ssh-keyscan HOST`, compared at the host.',
    )
  }
  const lines = (raw.items ?? raw.text.split(/\r\n?|\n/))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const word = lines.find((line) => line === 'accept-new' || line === 'tailnet')
  if (word !== undefined && lines.length > 1) {
    return refuse(`mixes \`${word}\` with other lines`, 'Choose one: keys that are known, or a way to do without them.')
  }
  if (word !== undefined) return { mode: word }
  if (lines.length === 0) return { mode: 'strict' }

  const read = lines.map((line) => readLine(line, refuse))
  const entries = read.filter((entry) => entry !== undefined)
  if (entries.length < lines.length) return undefined
  if (entries.every((entry) => 'line' in entry && entry.marker === 'revoked')) {
    return refuse('holds only @revoked lines', 'Add a line with the key that the host shows now.')
  }
  return { mode: 'pinned', entries: unique(entries) }
}

function readLine(line: string, refuse: Refuse): PinnedKey | undefined {
  if (/\p{Cc}/u.test(line.replaceAll('\t', ' '))) return refuse('holds a control character', forms, line)
  if (/(^|\s)(SHA256|SHA1|MD5):|^([0-9a-f]{2}:){15}[0-9a-f]{2}$/i.test(line)) return readFingerprint(line, refuse)
  if (/^(strict(hostkeychecking)?\b.*|no|none|off|false|ignore)$/i.test(line)) {
    return refuse('is no host key', `Checking cannot be switched off; leave it empty to be strict. ${forms}`, line)
  }
  const words = line.split(/\s+/)
  if (words.length < 2 && !isKeyType(words[0] ?? '')) return refuse('is no host key', forms, line)
  return readKnownHost(words, refuse, line)
}

function unique(entries: readonly PinnedKey[]): PinnedKey[] {
  return [...new Map(entries.map((entry) => ['line' in entry ? entry.line : entry.fingerprint, entry])).values()]
}
