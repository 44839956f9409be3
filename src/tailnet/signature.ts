import { createHash, createPublicKey, verify } from 'node:crypto'

/** The keys that Tailscale signs its signing keys with, as its own updater holds them. */
export const tailscaleRoots = [
  'ZjjKhUHBtLNRSO1dhOTjrXJGJ8lDe1594WM2XDuheVQ=',
  'Psrabv2YNiEDhPlnLVSMtB5EKACm7zxvKxfvYD4i7X8=',
]

/** What lies beside a package on the server. */
export interface Signatures {
  /** `distsign.pub`: the keys that may sign packages. */
  readonly keys: Buffer
  /** `distsign.pub.sig`: a root key's word for them. */
  readonly keysSignature: Buffer
  /** `PACKAGE.sig` */
  readonly signature: Buffer
}

/** Whether a package is what Tailscale signed: a root vouches for the signing keys, and one of these for the package. */
export function isSigned(file: Buffer, signatures: Signatures, roots: readonly string[]): boolean {
  const { keys, keysSignature, signature } = signatures
  if (!roots.some((root) => verifies(Buffer.from(root, 'base64'), keys, keysSignature))) return false
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(file.length))
  const message = Buffer.concat([createHash('blake2s256').update(file).digest(), length])
  return signingKeys(keys.toString('latin1')).some((key) => verifies(key, message, signature))
}

function signingKeys(pem: string): Buffer[] {
  const blocks = pem.matchAll(/-----BEGIN SIGNING PUBLIC KEY-----([^-]*)-----END SIGNING PUBLIC KEY-----/g)
  return [...blocks].map(([, body]) => Buffer.from(body ?? '', 'base64'))
}

/** The key is 32 bare bytes; Node wants them in the frame of X.509, which never changes. */
function verifies(key: Buffer, message: Buffer, signature: Buffer): boolean {
  if (key.length !== 32 || signature.length !== 64) return false
  const frame = Buffer.from('302a300506032b6570032100', 'hex')
  return verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([frame, key]), format: 'der', type: 'spki' }),
    signature,
  )
}
