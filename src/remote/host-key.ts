import { createHash, createHmac } from 'node:crypto'
import { DeployError } from '../errors.ts'
import type { Network } from './network.ts'
import { type Address, type HostKeyPolicy, type PinnedKey, showAddress } from './target.ts'

/** A key that a server showed. */
export interface SeenKey {
  readonly type: string
  readonly base64: string
  readonly fingerprint: string
}

export function readKey(blob: Buffer): SeenKey {
  const length = blob.readUInt32BE(0)
  return {
    type: blob.toString('latin1', 4, 4 + length),
    base64: blob.toString('base64'),
    fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
  }
}

/** The algorithms by which a key of this type may sign: RSA keys have two good ones, and neither is `ssh-rsa`. */
function algorithmsOf(type: string): string[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type]
}

export type Verdict = 'trusted' | 'unknown' | 'mismatch' | 'revoked'

/** Judges the keys of one address by its policy. There is no way to trust without having compared. */
export class HostKeyJudge {
  readonly #address: Address
  readonly #policy: HostKeyPolicy
  readonly #entries: readonly PinnedKey[]
  /** The input to name in messages. */
  readonly #input: string

  constructor(address: Address, policy: HostKeyPolicy, input = 'host-key') {
    this.#address = address
    this.#policy = policy
    this.#input = input
    this.#entries = policy.mode === 'pinned' ? policy.entries.filter((entry) => concerns(entry, address)) : []
  }

  /**
   * The host key algorithms to ask for: only those of pinned types, or the server may show a good key of another
   * type which nobody pinned. Undefined leaves the choice open (fingerprints do not tell their type).
   */
  algorithms(): string[] | undefined {
    const lines = this.#plain()
    if (lines.length === 0 || this.#entries.some((entry) => 'fingerprint' in entry)) return undefined
    return [...new Set(lines.flatMap((line) => algorithmsOf(line.type)))]
  }

  judge(key: SeenKey): Verdict {
    const same = (entry: PinnedKey) =>
      'fingerprint' in entry ? entry.fingerprint === key.fingerprint : entry.key === key.base64
    if (this.#entries.some((entry) => 'line' in entry && entry.marker === 'revoked' && same(entry))) return 'revoked'
    if (this.#policy.mode === 'accept-new') return 'trusted'
    if (this.#policy.mode === 'tailnet' && this.#policy.peer !== undefined) return 'trusted'
    if (this.#entries.some((entry) => good(entry) && same(entry))) return 'trusted'
    return this.#policy.mode === 'pinned' ? 'mismatch' : 'unknown'
  }

  /** What to tell when no key was trusted. `seen` holds every key that the host showed. */
  refusal(seen: readonly SeenKey[]): DeployError {
    const where = showAddress(this.#address)
    const input = this.#input
    const paste = seen.map((key) => `  ${this.line(key)}`).join('\n')
    const check = seen.map((key) => `  ssh-keygen -lf /etc/ssh/ssh_host_${fileOf(key.type)}_key.pub`).join('\n')
    const shown = seen.map((key) => `${key.type} ${key.fingerprint}`).join(', ') || 'no key of a pinned type'
    const fix = `On the host itself (its console, not this connection) run\n${check || '  ssh-keyscan localhost'}\nIf the fingerprint is the same, set \`${input}\` to\n${paste}`
    if (seen.some((key) => this.judge(key) === 'revoked')) {
      return new DeployError('HD-SSH-01', `${where} showed a key that \`${input}\` marks as revoked.`, {
        why: `It showed ${shown}. Whoever holds a revoked key may be somebody else.`,
        fix: 'Do not connect until you know why the host still uses it.',
      })
    }
    if (this.#policy.mode !== 'pinned') {
      return new DeployError('HD-SSH-01', `The key of ${where} is not known yet, so nothing was sent.`, {
        why: `The host showed ${shown}, and no \`${input}\` says whether that is right.`,
        fix,
      })
    }
    const authorities = this.#entries.some((entry) => 'line' in entry && entry.marker === 'cert-authority')
    const why =
      this.#entries.length === 0
        ? `No line of \`${input}\` is for this host and port. It showed ${shown}.`
        : authorities && this.#plain().length === 0
          ? `\`${input}\` holds only a @cert-authority line, and host certificates cannot be checked by the SSH library. It showed ${shown}.`
          : `Expected ${this.#entries.filter(good).map(describe).join(' or ')}, and it showed ${shown}. Either the host was installed anew, or this is another machine.`
    return new DeployError('HD-SSH-01', `${where} did not show the host key that was expected.`, { why, fix })
  }

  /** The known_hosts line for a key of this host. */
  line(key: SeenKey): string {
    const { host, port } = this.#address
    return `${port === 22 ? host : `[${host}]:${port}`} ${key.type} ${key.base64}`
  }

  #plain() {
    return this.#entries.filter(
      (entry): entry is Extract<PinnedKey, { line: string }> => 'line' in entry && !entry.marker,
    )
  }
}

/**
 * What `tailnet` comes down to for one host: the keys that the network knows, or else that the address is proven to be
 * the machine's own; the latter only where we dialled it ourselves.
 */
export async function asVouched(
  policy: HostKeyPolicy,
  address: Address,
  network: Network,
  options: { direct: boolean; input: string },
): Promise<HostKeyPolicy> {
  if (policy.mode !== 'tailnet') return policy
  const who = await network.identify?.(address)
  if (who !== undefined && who.keys.length > 0) {
    const entries = who.keys.map((line) => {
      const [type = '', key = ''] = line.split(' ')
      return { line: `* ${line}`, hosts: '*', type, key }
    })
    return { mode: 'pinned', entries }
  }
  if (who !== undefined && options.direct) return { mode: 'tailnet', peer: who.address }
  const where = showAddress(address)
  if (network.identify === undefined) {
    throw new DeployError('HD-TAILNET-07', `No tailnet can say who ${where} is: this runner is in none.`, {
      why: `\`${options.input}: tailnet\` trusts what a tailnet proves.`,
      fix: 'Join one with the `tailnet-…` inputs, or give the key itself.',
    })
  }
  throw new DeployError('HD-SSH-01', `The tailnet does not vouch for ${where}, so nothing was sent.`, {
    why: 'It can do that for its own machines only: not for one behind a subnet router or a jump host, or outside of it.',
    fix: `Give the key itself in \`${options.input}\`; without it the run stops and shows the key and the line to paste.`,
  })
}

/** A key that is trusted as it stands: no marker says otherwise. */
function good(entry: PinnedKey): boolean {
  return !('line' in entry && entry.marker)
}

function describe(entry: PinnedKey): string {
  return 'fingerprint' in entry
    ? entry.fingerprint
    : `${entry.type} ${readKey(Buffer.from(entry.key, 'base64')).fingerprint}`
}

function fileOf(type: string): string {
  return type.startsWith('ecdsa') ? 'ecdsa' : type === 'ssh-rsa' ? 'rsa' : 'ed25519'
}

/** Whether a known_hosts entry is about this address: names, `[host]:port`, wildcards, negation, hashed names. */
export function concerns(entry: PinnedKey, { host, port }: Address): boolean {
  if ('fingerprint' in entry) return true
  const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
  let found = false
  for (const pattern of entry.hosts.split(',')) {
    if (pattern.startsWith('|1|')) {
      const [, , salt = '', hash = ''] = pattern.split('|')
      found ||= createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
      continue
    }
    const negated = pattern.startsWith('!')
    if (wildcard(negated ? pattern.slice(1) : pattern).test(name)) {
      if (negated) return false
      found = true
    }
  }
  return found
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.toLowerCase().replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}
