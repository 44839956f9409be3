import { createHash } from 'node:crypto'
import ssh2 from 'ssh2'

export type KeyType = 'ed25519' | 'rsa' | 'ecdsa'

export interface KeyPair {
  readonly type: string
  /** OpenSSH PEM. */
  readonly private: string
  /** One authorized_keys line. */
  readonly public: string
  readonly fingerprint: string
  /** The line of known_hosts for a server that shows this key. */
  line(host: string, port: number): string
}

/** A new key pair in OpenSSH's format, with a passphrase when one is given. Needs no `ssh-keygen`. */
export function makeKey(type: KeyType = 'ed25519', passphrase?: string): KeyPair {
  const locked = passphrase === undefined ? {} : { passphrase, cipher: 'aes256-ctr', rounds: 16 }
  const options = { comment: 'test', ...locked }
  // ssh2 now and then writes a key that it cannot read itself (a number with a leading zero): then make another.
  for (let left = 20; left > 0; left--) {
    const pair =
      type === 'rsa'
        ? ssh2.utils.generateKeyPairSync('rsa', { bits: 2048, ...options })
        : type === 'ecdsa'
          ? ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, ...options })
          : ssh2.utils.generateKeyPairSync('ed25519', options)
    if (ssh2.utils.parseKey(pair.private, passphrase) instanceof Error) continue
    return describeKey(pair.private, pair.public.trim())
  }
  throw new Error(`no readable ${type} key in 20 tries`)
}

export function describeKey(privateKey: string, publicKey: string): KeyPair {
  const [type = '', base64 = ''] = publicKey.split(' ')
  return {
    type,
    private: privateKey,
    public: publicKey,
    fingerprint: fingerprint(base64),
    line: (host, port) => `${port === 22 ? host : `[${host}]:${port}`} ${type} ${base64}`,
  }
}

export function fingerprint(base64: string): string {
  return `SHA256:${createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64').replace(/=+$/, '')}`
}
