import { createHash } from 'node:crypto'
import ssh2, { type ParsedKey } from 'ssh2'
import { DeployError } from '../errors.ts'
import type { Target } from './target.ts'

/** The private key in a form that ssh2 can use, or why it cannot. */
export function readPrivateKey({ key, passphrase }: Pick<Target, 'key' | 'passphrase'>): ParsedKey | undefined {
  if (key === undefined) return undefined
  const parsed = ssh2.utils.parseKey(key.reveal(), passphrase?.reveal()) as ParsedKey | ParsedKey[] | Error
  if (parsed instanceof Error) throw explain(parsed, passphrase !== undefined)
  const first = Array.isArray(parsed) ? parsed[0] : parsed
  if (first === undefined || !first.isPrivateKey()) {
    throw new DeployError('HD-SSH-02', '`ssh-key` holds a public key.', {
      fix: 'Store the private key: the file without `.pub`, which begins with -----BEGIN.',
    })
  }
  return first
}

function explain(error: Error, hadPassphrase: boolean): DeployError {
  if (/no passphrase given/i.test(error.message)) {
    return new DeployError('HD-SSH-08', '`ssh-key` is protected by a passphrase, and none was given.', {
      fix: 'Set `ssh-key-passphrase`, or use a key of its own for deploys, without a passphrase.',
      cause: error,
    })
  }
  if (hadPassphrase && /bad passphrase|integrity check|decrypt/i.test(error.message)) {
    return new DeployError('HD-SSH-08', '`ssh-key-passphrase` does not open `ssh-key`.', {
      fix: 'Check it with `ssh-keygen -y -f KEYFILE`, which asks for the same passphrase.',
      cause: error,
    })
  }
  return new DeployError('HD-SSH-02', '`ssh-key` cannot be read as a private key.', {
    why: `The parser says: ${error.message}.`,
    fix: 'Store the whole file, from its BEGIN line to its END line; `ssh-keygen -y -f KEYFILE` must print its public key.',
    cause: error,
  })
}

/** What belongs into authorized_keys, and the fingerprint to find it there. */
export function showPublic(key: ParsedKey): { line: string; fingerprint: string } {
  const blob = key.getPublicSSH()
  const fingerprint = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')
  return { line: `${key.type} ${blob.toString('base64')}`, fingerprint: `SHA256:${fingerprint}` }
}
