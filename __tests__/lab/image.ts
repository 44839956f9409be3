import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, until } from './command.ts'
import { debianMirror } from './machine.ts'
import { imagesFolder } from './paths.ts'

const release = 'trixie'

const packages = [
  ...[
    'systemd',
    'systemd-sysv',
    'libpam-systemd',
    'dbus',
    'dbus-user-session',
    'udev',
    'procps',
    'openssh-server',
    'sudo',
  ],
  ...['iproute2', 'iputils-ping', 'nftables', 'iptables', 'ca-certificates', 'curl'],
  ...['rsync', 'git', 'python3', 'sqlite3'],
  ...['busybox-static', 'dropbear-bin'], // raw material of the BusyBox host; nothing starts them here
]

/** Services that have nothing to do in a container, or that cost boot time. systemd-sysctl would fail on read-only /proc. */
const masked = [
  ...['console-getty.service', 'getty@tty1.service', 'systemd-networkd.service', 'systemd-resolved.service'],
  ...[
    'systemd-timesyncd.service',
    'systemd-udevd.service',
    'systemd-udev-trigger.service',
    'systemd-hwdb-update.service',
  ],
  ...['systemd-sysctl.service', 'modprobe@.service', 'sshd-keygen.service', 'fstrim.timer', 'e2scrub_all.timer'],
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'man-db.timer', 'logrotate.timer'],
]

/** Every host's accounts. Their numbers are fixed, because files are put in place from outside. */
export const accounts = {
  root: { uid: 0, gid: 0, home: '/root', shell: '/bin/bash' },
  deploy: { uid: 1000, gid: 1000, home: '/home/deploy', shell: '/bin/bash' },
  limited: { uid: 1001, gid: 1001, home: '/home/limited', shell: '/bin/bash' },
  nologin: { uid: 1002, gid: 1002, home: '/home/nologin', shell: '/usr/sbin/nologin' },
} as const

export type User = keyof typeof accounts

/** Where the lab's own key may be put from outside, next to everybody's own file. */
export const authorizedKeysFile = '/etc/ssh/lab_authorized_keys'

const customize = `set -eu
${Object.entries(accounts)
  .filter(([name]) => name !== 'root')
  .map(([name, { uid, shell }]) => `useradd --uid ${uid} --create-home --shell ${shell} ${name}`)
  .join('\n')}
echo 'deploy ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/machine-id
echo 'AuthorizedKeysFile .ssh/authorized_keys ${authorizedKeysFile}' > /etc/ssh/sshd_config.d/lab.conf
rm -f /etc/resolv.conf
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
for unit in ${masked.join(' ')}; do ln -sfn /dev/null "/etc/systemd/system/$unit"; done
systemctl -q enable ssh.service
systemctl -q set-default multi-user.target
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
`

/** Debian as it comes, made once and kept; made anew when its recipe changes. */
export async function ensureBase(): Promise<string> {
  const recipe = [release, ...packages, customize]
  return await ensureImage('base', recipe, 'about two minutes', async (root) => {
    await inPrivate([
      'debootstrap',
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      release,
      root,
      await debianMirror(),
    ])
    await run(['chroot', root, '/bin/sh', '-s'], { input: customize })
  })
}

/**
 * Makes an image in a folder beside its place and moves it there when it is whole: a run that was killed half way
 * leaves nothing that looks finished.
 */
export async function ensureImage(
  name: string,
  recipe: readonly string[],
  howLong: string,
  build: (root: string) => Promise<void>,
): Promise<string> {
  const root = join(imagesFolder, name)
  const stamp = `${root}.recipe`
  const hash = createHash('sha256').update(JSON.stringify(recipe)).digest('hex')
  const whole = async () => existsSync(root) && (await readFile(stamp, 'utf8').catch(() => '')) === hash
  if (await whole()) return root
  await using _ = await alone(`${root}.lock`)
  if (await whole()) return root
  console.error(`lab: building the image "${name}" (${howLong}, once)`)
  const draft = `${root}.draft`
  await rm(stamp, { force: true })
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await build(draft)
  await rm(root, { recursive: true, force: true })
  await rename(draft, root)
  await writeFile(stamp, hash)
  return root
}

/** Of several stories that want the same image one makes it. What holds the lock is a process; a dead one holds nothing. */
async function alone(lock: string): Promise<AsyncDisposable> {
  await mkdir(imagesFolder, { recursive: true })
  const taken = async () => {
    const holder = await readlink(lock).catch(() => '')
    if (holder !== '' && !existsSync(`/proc/${holder}`)) await rm(lock, { force: true })
    return await symlink(`${process.pid}`, lock).then(
      () => true,
      () => false,
    )
  }
  await until(`the lock ${lock}`, taken, 20 * 60_000, 200)
  return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) }
}

/** In a mount namespace of its own: what a killed build has mounted goes away with it. */
export async function inPrivate(command: readonly string[]): Promise<string> {
  return await run(['unshare', '--mount', '--propagation', 'slave', ...command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  })
}
