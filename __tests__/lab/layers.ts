import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureBase, ensureImage, inPrivate } from './image.ts'
import { nixLayer } from './nix-layer.ts'
import { uvLayer } from './uv-layer.ts'

/** Software over the base image that only some hosts have, and what a host with it needs from systemd-nspawn. */
export interface Layer {
  readonly packages: readonly string[]
  /** Shell, run in the layer as root after the packages are in. */
  readonly script?: string
  /** More arguments of systemd-nspawn: capabilities, binds. `%h` is the host's own folder on this machine's disk. */
  readonly nspawn?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Folders to make in `%h` for those binds. */
  readonly folders?: readonly string[]
}

/** One entry is all that a new kind of host needs: `await labHost({ layers: ['docker'] })`. */
export const layers: Record<string, Layer> = {
  /** Docker's engine, Compose as its plugin, and a registry. Its images lie on this machine's disk: overlay2 wants no overlay below it. */
  docker: {
    packages: ['docker.io', 'docker-cli', 'docker-compose', 'docker-registry', 'apache2-utils'],
    script: 'systemctl -q disable docker-registry.service; systemctl -q enable docker.service',
    nspawn: ['--capability=all', '--system-call-filter=add_key keyctl bpf', '--bind=%h/docker:/var/lib/docker'],
    env: { SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network' },
    folders: ['docker'],
  },
  /** Databases: a cluster that starts with the host, and the shell of SQLite. */
  databases: { packages: ['postgresql', 'sqlite3'] },
  /** Nix, and what NixOS has around it. */
  nix: nixLayer,
  /** The same, with a database: two layers that both add users know only those of one. */
  'nix-databases': { ...nixLayer, packages: [...nixLayer.packages, 'postgresql', 'sqlite3'] },
  uv: uvLayer,
}

/** The image folders of a host, the topmost first, as overlayfs wants them. */
export async function ensureLayers(names: readonly string[]): Promise<string[]> {
  const base = await ensureBase()
  const built: string[] = []
  for (const name of names) {
    const layer = layers[name]
    if (!layer)
      throw new Error(`no layer "${name}" in layers.ts, only ${Object.keys(layers).join(', ') || 'none at all'}`)
    built.unshift(await ensureLayer(name, layer, base))
  }
  return [...built, base]
}

async function ensureLayer(name: string, layer: Layer, base: string): Promise<string> {
  const recipe = [...layer.packages, layer.script ?? '']
  return await ensureImage(name, recipe, 'a minute or two', async (root) => {
    const work = `${root}.work`
    const merged = `${root}.merged`
    await rm(work, { recursive: true, force: true })
    await mkdir(work, { recursive: true })
    await mkdir(merged, { recursive: true })
    try {
      const script = installScript(layer.script ?? '')
      await inPrivate(['sh', '-euc', script, 'sh', root, work, merged, base, ...layer.packages])
    } finally {
      await rm(work, { recursive: true, force: true })
      await rm(merged, { recursive: true, force: true })
    }
  })
}

/** The machine's own resolver and certificates are lent for the download; packages must not start their services. */
function installScript(script: string): string {
  const certificates = process.env.SSL_CERT_FILE ?? '/etc/ssl/certs/ca-certificates.crt'
  const lend = existsSync(certificates)
    ? `mount --bind ${certificates} "$merged/etc/ssl/certs/ca-certificates.crt"`
    : ':'
  return `upper=$1 work=$2 merged=$3 base=$4; shift 4
mount -t overlay overlay -o "lowerdir=$base,upperdir=$upper,workdir=$work" "$merged"
mount -t proc proc "$merged/proc"
mount --bind "$(realpath /etc/resolv.conf)" "$merged/etc/resolv.conf"
${lend}
printf '#!/bin/sh\\nexit 101\\n' > "$merged/usr/sbin/policy-rc.d"
chmod 755 "$merged/usr/sbin/policy-rc.d"
chroot "$merged" apt-get -qq update
[ $# = 0 ] || chroot "$merged" apt-get -qq install -y --no-install-recommends "$@"
chroot "$merged" /bin/sh -eu <<'LAYER_SCRIPT'
${script}
LAYER_SCRIPT
rm -f "$merged/usr/sbin/policy-rc.d"
rm -rf "$merged"/var/lib/apt/lists/* "$merged"/var/cache/apt/archives/*.deb
`
}

/** Where the lab looks for the folders of `%h`. */
export function expand(text: string, hostFolder: string): string {
  return text.replaceAll('%h', join(hostFolder, 'data'))
}
