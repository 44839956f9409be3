import { createHash } from 'node:crypto'
import { arch, platform } from 'node:process'
import { sleep } from '../clock.ts'
import { DeployError } from '../errors.ts'
import { type Answer, request } from '../runner/http.ts'
import { isSigned, type Signatures, tailscaleRoots } from './signature.ts'

export const defaultVersion = '1.102.4'
export const defaultMirror = 'https://pkgs.tailscale.com'

/** SHA-256 of the packages of the default version: nobody who changes the server can change these. */
const digests: Readonly<Record<string, string>> = {
  amd64: '50748df1045e60b5b695f19f4c56b0da36c019948b440fb456b6584a50f0d8b9',
  arm64: '9dd1e6a592a014bbaea0103167ffe299adeda4ba14e078ce9c2895364f6c4c3f',
}

/** What lies beside the package and proves that it is Tailscale's. */
const proofs = ['distsign.pub', 'distsign.pub.sig', '.sig'] as const

/** A package, by its name on the server, with what is needed to trust it. */
export interface Package {
  readonly version: string
  readonly name: string
  /** Known for the default version; the others are judged by their signature. */
  readonly digest: string | undefined
  /** Whoever may vouch for those who sign. */
  readonly roots: readonly string[]
  readonly folder: string
}

export function packageOf(version: string, mirror: string): Package {
  const architecture = platform === 'linux' ? { x64: 'amd64', arm64: 'arm64' }[arch as string] : undefined
  if (architecture === undefined) {
    throw new DeployError(
      'HD-TAILNET-02',
      `There is no Tailscale to download for this runner (${platform}, ${arch}).`,
      {
        fix: 'Use a runner with Linux on x64 or arm64, or put the programs on it and set `tailnet-binary`.',
      },
    )
  }
  // Tailscale's own rule: an odd number in the middle is an unstable version.
  const track = Number(version.split('.')[1]) % 2 === 0 ? 'stable' : 'unstable'
  return {
    version,
    name: `tailscale_${version}_${architecture}.tgz`,
    digest: version === defaultVersion ? digests[architecture] : undefined,
    roots: tailscaleRoots,
    folder: `${mirror.replace(/\/+$/, '')}/${track}`,
  }
}

/** The newest stable version, as the server says. */
export async function latestVersion(mirror: string, signal?: AbortSignal): Promise<string> {
  const url = `${mirror.replace(/\/+$/, '')}/stable/?mode=json`
  const { body } = await fetchFile(url, signal)
  try {
    const { TarballsVersion: version } = JSON.parse(body.toString()) as { TarballsVersion?: unknown }
    if (typeof version === 'string' && /^\d+\.\d+\.\d+$/.test(version)) return version
  } catch {
    // Said below: whatever it was, it was no such list.
  }
  throw new DeployError('HD-TAILNET-02', 'The newest version of Tailscale could not be found out.', {
    why: `${url} did not answer with the list of packages.`,
    fix: 'Leave `tailnet-version` out, or name a version.',
  })
}

/** The package and its proofs, as they came: nothing was judged yet. */
export async function download({ name, folder, digest }: Package, signal?: AbortSignal): Promise<Map<string, Buffer>> {
  const { body } = await fetchFile(`${folder}/${name}`, signal)
  const files = new Map([[name, body]])
  if (digest !== undefined) return files
  for (const proof of proofs) {
    const file = proof.startsWith('.') ? name + proof : proof
    const url = proof.startsWith('.') ? `${folder}/${file}` : `${folder.replace(/\/[a-z]+$/, '')}/${file}`
    files.set(file, (await fetchFile(url, signal)).body)
  }
  return files
}

/** Says what is wrong with the files of a package, or nothing when they are what Tailscale made. */
export function flawOf({ name, digest, roots }: Package, files: ReadonlyMap<string, Buffer>): string | undefined {
  const file = files.get(name)
  if (file === undefined) return `${name} is missing`
  if (digest !== undefined) {
    const seen = createHash('sha256').update(file).digest('hex')
    return seen === digest ? undefined : `its SHA-256 is ${seen}, and must be ${digest}`
  }
  const [keys, keysSignature, signature] = proofs.map((proof) =>
    files.get(proof.startsWith('.') ? name + proof : proof),
  )
  const complete = keys !== undefined && keysSignature !== undefined && signature !== undefined
  const signatures: Signatures | undefined = complete ? { keys, keysSignature, signature } : undefined
  return signatures && isSigned(file, signatures, roots) ? undefined : 'it does not bear the signature of Tailscale'
}

/** Three tries: what a busy server or a bad line does once it seldom does three times. */
async function fetchFile(url: string, signal?: AbortSignal): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    let said: string
    try {
      const answer = await request('GET', url, { timeoutMs: 60_000, signal })
      if (answer.status === 200) return answer
      said = `the server answered ${answer.status}`
      if (answer.status < 500 && answer.status !== 429) throw notThere(url, said)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof DeployError) throw error
      said = error instanceof Error ? error.message : String(error)
    }
    if (attempt === 3) throw notThere(url, said)
    await sleep(attempt * 1_000, signal)
  }
}

function notThere(url: string, said: string): DeployError {
  return new DeployError('HD-TAILNET-02', 'Tailscale could not be downloaded.', {
    why: `${url}: ${said}.`,
    fix: 'Check `tailnet-version` and the way out of the runner (HTTPS_PROXY is used). Without the internet set `tailnet-mirror`, or `tailnet-binary` to a folder with the programs.',
  })
}
