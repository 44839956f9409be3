import { LabHost, type LabHostOptions, seedHostKeys } from './host.ts'
import { accounts, ensureBase, ensureImage, inPrivate } from './image.ts'
import { ensureLayers, layers } from './layers.ts'

export interface BusyboxOptions extends Omit<LabHostOptions, 'layers'> {
  /** A NAS: Docker and sqlite3 as well, with `docker` and `docker-compose` in /usr/local/bin, and no plugin. */
  readonly docker?: boolean
}

/**
 * A small machine: a router, a NAS, an old board. Its init, shell and every tool are one BusyBox, its sshd is Dropbear;
 * there is no systemd, bash, rsync, git, python, perl, sudo, flock or nohup, because the image does not hold them.
 * True to life: BusyBox as pid 1, ash as login shell, Dropbear's own manners (host key formats, a short PATH, no sftp).
 * Not so: the C library is glibc and the build is Debian's, with more applets than OpenWrt or Alpine choose.
 */
export async function busyboxHost(options: BusyboxOptions = {}): Promise<LabHost> {
  const engine = options.docker ? layers['docker'] : undefined
  return await LabHost.start(options, {
    lower: [...(engine ? [await ensureNas()] : []), await ensureBusybox()],
    nspawn: engine?.nspawn ?? [],
    env: engine?.env ?? {},
    folders: engine?.folders ?? [],
    seed: (keys, client, name) => ({
      ...seedHostKeys(keys),
      'etc/hostname': `${name}\n`,
      'etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${name}\n`,
      'etc/authorized_keys': `${client.public}\n`,
    }),
    ready: () => true,
    reboot: 'reboot',
    stopSshd: 'kill $(cat /run/dropbear.pid)',
    startSshd: startDropbear,
  })
}

const startDropbear =
  'dropbear -s -P /run/dropbear.pid -r /etc/dropbear/ed25519 -r /etc/dropbear/ecdsa </dev/null >/dev/null 2>&1'

const people = Object.entries(accounts).map(([name, account]) => ({
  name,
  ...account,
  shell: name === 'nologin' ? '/sbin/nologin' : '/bin/sh',
}))

const firstBoot = `#!/bin/sh
mount -t proc proc /proc 2>/dev/null
hostname -F /etc/hostname
mkdir -p /etc/dropbear /run /tmp
chmod 1777 /tmp
for type in ed25519 ecdsa; do
  [ -f /etc/dropbear/$type ] || dropbearconvert openssh dropbear /etc/ssh/ssh_host_\${type}_key /etc/dropbear/$type
done
${people.map(({ uid, home }) => `install -d -m 700 -o ${uid} -g ${uid} ${home} ${home}/.ssh; install -m 600 -o ${uid} -g ${uid} /etc/authorized_keys ${home}/.ssh/authorized_keys`).join('\n')}
syslogd
${startDropbear}
[ ! -x /usr/local/sbin/start-docker ] || /usr/local/sbin/start-docker
`

const inittab = `::sysinit:/etc/init.d/rcS
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount -a -r
`

const build = `base=$1 root=$2
mkdir -p "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/etc/init.d" "$root/var/log" \\
  "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/root" "$root/home"
ln -s ../run "$root/var/run"
cp "$base/usr/bin/busybox" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s
for tool in usr/sbin/dropbear usr/bin/dropbearconvert; do
  cp "$base/$tool" "$root/$tool"
  chroot "$base" ldd "/$tool" | grep -o '/lib[^ ]*' | while read -r library; do
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$base/$library" "$root/$library"
  done
done
printf 'ID=busybox\\nPRETTY_NAME="BusyBox lab host"\\n' > "$root/etc/os-release"
printf '%s' "$3" > "$root/etc/passwd"
printf '%s' "$4" > "$root/etc/group"
printf '%s' "$5" > "$root/etc/shadow"
printf '/bin/sh\\n/sbin/nologin\\n' > "$root/etc/shells"
chmod 600 "$root/etc/shadow"
printf '%s' "$6" > "$root/etc/inittab"
printf '%s' "$7" > "$root/etc/init.d/rcS"
chmod 755 "$root/etc/init.d/rcS"
`

async function ensureBusybox(): Promise<string> {
  const base = await ensureBase()
  const passwd = people.map(({ name, uid, gid, home, shell }) => `${name}:x:${uid}:${gid}::${home}:${shell}\n`).join('')
  const group = people.map(({ name, gid }) => `${name}:x:${gid}:\n`).join('')
  const shadow = people.map(({ name }) => `${name}:*:20000:0:99999:7:::\n`).join('')
  const texts = [passwd, group, shadow, inittab, firstBoot]
  return await ensureImage('busybox', [build, ...texts], 'a second', async (root) => {
    await inPrivate(['sh', '-euc', build, 'sh', base, root, ...texts])
  })
}

/** As the app of a NAS starts its engine: no systemd, no iptables, everything in places of its own. */
const startDocker = `#!/bin/sh
export PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /var/run /var/log
rm -f /var/run/docker.pid /var/run/docker/containerd/*.pid
setsid dockerd --exec-opt native.cgroupdriver=cgroupfs --iptables=false --ip6tables=false --userland-proxy=false </dev/null >/var/log/docker.log 2>&1 &
`

const nas = `upper=$1 lower=$2
merged=$(mktemp -d); trap 'umount "$merged"; rmdir "$merged"' EXIT
mount -t overlay overlay -o "ro,lowerdir=$lower" "$merged"
mkdir -p "$upper/usr/bin" "$upper/usr/local/bin" "$upper/usr/local/sbin" "$upper/etc/docker"
take() { # FILE PLACE
  cp -L "$merged$1" "$upper$2"
  { chroot "$merged" ldd "$1" 2>/dev/null || :; } | grep -o '/lib[^ ]*' | while read -r library; do
    mkdir -p "$upper/$(dirname "$library")"; cp -L "$merged/$library" "$upper/$library"
  done
}
for tool in docker containerd containerd-shim-runc-v2 runc docker-init; do take "/usr/bin/$tool" "/usr/local/bin/$tool"; done
for tool in dockerd; do take "/usr/sbin/$tool" "/usr/local/bin/$tool"; done
take /usr/bin/sqlite3 /usr/bin/sqlite3
take /usr/libexec/docker/cli-plugins/docker-compose /usr/local/bin/docker-compose
printf %s "$3" >"$upper/usr/local/sbin/start-docker"
chmod 755 "$upper/usr/local/sbin/start-docker"
`

async function ensureNas(): Promise<string> {
  const lower = await ensureLayers(['docker'])
  return await ensureImage(
    'nas',
    [nas, startDocker, ...(layers['docker']?.packages ?? [])],
    'some seconds',
    async (root) => {
      await inPrivate(['sh', '-euc', nas, 'sh', root, lower.join(':'), startDocker])
    },
  )
}
