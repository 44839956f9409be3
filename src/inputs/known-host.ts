import type { PinnedKey } from '../remote/target.ts'
import { decodeBase64 } from './base64.ts'
import type { Refuse } from './form.ts'

const scan = 'Paste a line of `ssh-keyscan HOST` whose fingerprint you compared at the host.'

const types = new Set([
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
])

export function isKeyType(word: string): boolean {
  return types.has(word)
}

/** The words of `[@marker] hosts type key [comment]`, or of a public key without hosts, which then is for any host. */
export function readKnownHost(words: readonly string[], refuse: Refuse, line: string): PinnedKey | undefined {
  const marked = words[0]?.startsWith('@') === true
  const marker = words[0]?.slice(1)
  if (marked && marker !== 'cert-authority' && marker !== 'revoked') {
    return refuse('begins with an unknown marker', 'There are @cert-authority and @revoked.', line)
  }
  const rest = marked ? words.slice(1) : words
  const [hosts = '', type = '', key = ''] = isKeyType(rest[0] ?? '') ? ['*', ...rest] : rest
  if (type === 'ssh-dss') return refuse('is a DSA key, which SSH no longer uses', scan, line)
  if (type.includes('-cert-'))
    return refuse('is a certificate', 'Give the key of the authority, with @cert-authority.', line)
  if (!isKeyType(type)) return refuse('is no known_hosts line: there is no key type in its place', scan, line)
  if (!hosts.split(',').every(isHostPattern)) return refuse('names no valid host', scan, line)
  const blob = decodeBase64(key)
  if (blob === undefined || !isWhole(blob)) return refuse('holds a key that is damaged or cut off', scan, line)
  if (innerType(blob) !== type) return refuse(`says ${type}, but the key itself says otherwise`, scan, line)
  return {
    line: [...(marked ? [words[0]] : []), hosts, type, key].join(' '),
    ...(marked && { marker: marker as 'cert-authority' | 'revoked' }),
    hosts,
    type,
    key,
  }
}

/** A name with wildcards, `!name`, an address, `[name]:port`, or a hashed name. */
function isHostPattern(text: string): boolean {
  if (text.startsWith('|')) {
    const [, one, salt = '', hash = '', ...more] = text.split('|')
    return one === '1' && more.length === 0 && decodeBase64(salt)?.length === 20 && decodeBase64(hash)?.length === 20
  }
  return /^!?(\[[A-Za-z0-9_.:%*?-]+\]:\d{1,5}|[A-Za-z0-9_.:%*?][A-Za-z0-9_.:%*?-]*)$/.test(text)
}

function innerType(blob: Buffer): string {
  return blob.toString('latin1', 4, 4 + blob.readUInt32BE(0))
}

/** A key is a row of fields, each with its length in front: a key that was cut off ends inside one. */
function isWhole(blob: Buffer): boolean {
  let at = 0
  let fields = 0
  while (at + 4 <= blob.length) {
    at += 4 + blob.readUInt32BE(at)
    fields++
  }
  return at === blob.length && fields >= 2
}
