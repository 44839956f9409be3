/** What the inputs of Nix say, as the record of a release keeps it. */
export interface NixOptions {
  /** `DIR#NAME` or `URL#NAME`; without a name it is that of the host. Or a store path. Empty is `.`. */
  readonly flake: string
  readonly buildOn: 'host' | 'runner'
  /** More arguments of `nix build` and `nix flake check`. */
  readonly args: readonly string[]
  /** Whether `nix flake check` comes first. */
  readonly check: boolean
  readonly activation: 'guarded' | 'native'
  /** Units that read the code of `path`, which Nix does not know to be new. */
  readonly restart: readonly string[]
  /** Whether the user has health checks, which judge units that failed; without any, such a unit is a failure. */
  readonly judged: boolean
}

export const noNix: NixOptions = {
  flake: '',
  buildOn: 'host',
  args: [],
  check: false,
  activation: 'guarded',
  restart: [],
  judged: false,
}

export interface Flake {
  /** In the tree of the release: relative to it, without a final slash, or empty. */
  readonly dir?: string
  /** A folder of the host, absolute. */
  readonly folder?: string
  /** Elsewhere: `github:acme/hosts`. */
  readonly url?: string
  /** A system that is built already. */
  readonly system?: string
  /** Of the system in the flake; empty is that of the host. */
  readonly name: string
}

export function parseFlake(flake: string): Flake {
  if (/^\/nix\/store\/[^/]+$/.test(flake)) return { system: flake, name: '' }
  const at = flake.indexOf('#')
  const [ref, name] = at < 0 ? [flake, ''] : [flake.slice(0, at), flake.slice(at + 1)]
  if (ref.startsWith('/')) return { folder: ref, name }
  if (ref.includes(':')) return { url: ref, name }
  const parts = ref.split('/').filter((part) => part !== '' && part !== '.')
  return { dir: parts.join('/'), name }
}
