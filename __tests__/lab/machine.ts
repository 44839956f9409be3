import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'

/** What the lab runs on this machine, and the Debian package that holds it. */
const tools: Record<string, string> = {
  debootstrap: 'debootstrap',
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  openssl: 'openssl',
  ssh: 'openssh-client',
  'systemd-nspawn': 'systemd-container',
  unshare: 'util-linux',
}

/** Stops with a sentence where the lab cannot run, and sees to its tools where it can. */
export async function requireMachine(): Promise<void> {
  const sorry = (why: string) =>
    new Error(`The lab boots real hosts and needs Debian and root: ${why}. The other tests do not.`)
  if (process.platform !== 'linux') throw sorry(`this is ${process.platform}`)
  if (process.getuid?.() !== 0) throw sorry('you are not root')
  const { ID = '', ID_LIKE = '', PRETTY_NAME = 'an unknown system' } = osRelease()
  const debian =
    ID === 'debian' || (ID_LIKE.split(' ').includes('debian') && process.env.HOMELAB_LAB_MIRROR !== undefined)
  if (!debian) {
    const hint = ID_LIKE.includes('debian') ? ' (set HOMELAB_LAB_MIRROR to a Debian mirror to try all the same)' : ''
    throw sorry(`this is ${PRETTY_NAME}${hint}`)
  }
  const missing = Object.keys(tools).filter((tool) => !onPath(tool))
  if (missing.length > 0) await installMissingToolsWithApt(missing)
}

/** The only place where the lab changes the machine it runs on. */
async function installMissingToolsWithApt(missing: readonly string[]): Promise<void> {
  const packages = [...new Set(missing.map((tool) => tools[tool] as string))]
  console.error(`lab: ${missing.join(', ')} missing: installing ${packages.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run(['apt-get', '-qq', 'update'], { env, loud: true })
  await run(['apt-get', '-qq', 'install', '-y', '--no-install-recommends', ...packages], { env, loud: true })
}

/** The mirror that this machine's own apt uses for its release: hosts are built from the same place. */
export async function debianMirror(): Promise<string> {
  if (process.env.HOMELAB_LAB_MIRROR) return process.env.HOMELAB_LAB_MIRROR
  const release = osRelease().VERSION_CODENAME ?? ''
  const format = '$(RELEASE) $(COMPONENT) $(REPO_URI)'
  const targets = await run(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages'])
  const found = targets
    .split('\n')
    .map((line) => line.split(' '))
    .find(([suite, component]) => suite === release && component === 'main')
  if (!found?.[2]) throw new Error(`apt knows no mirror for ${release} main: set HOMELAB_LAB_MIRROR`)
  return found[2]
}

function osRelease(): Record<string, string> {
  const lines = readFileSync('/etc/os-release', 'utf8').split('\n')
  return Object.fromEntries(
    lines.map((line) => line.split('=')).map(([name, value = '']) => [name, value.replaceAll('"', '')]),
  )
}

function onPath(tool: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
