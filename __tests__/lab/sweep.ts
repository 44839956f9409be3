import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { descendants, readProcess, signal } from '../helpers/processes.ts'
import { leftCgroups, removeAllCgroups } from './cgroup.ts'
import { attempt, until } from './command.ts'
import { networkDown } from './network.ts'
import { hostsFolder, labFolder } from './paths.ts'

/**
 * Takes away whatever the lab has on this machine, from this run or from one that was killed. It looks at the machine
 * and not at notes, which a killed run could not have finished. Only what bears the lab's names is touched.
 */
export async function sweep(): Promise<void> {
  // The holders first, so that none of them boots a host again.
  const found = [...holders(), ...nspawns(), ...servers()]
  for (const pid of found) {
    const below = descendants(pid)
    signal(pid, 'SIGKILL')
    for (const each of below) signal(each, 'SIGKILL')
  }
  await until(
    'the processes of the lab to end',
    () => holders().length + nspawns().length + servers().length === 0,
    10_000,
  )
  await removeAllCgroups()
  await networkDown()
  for (const point of mounts()) await attempt(['umount', '--lazy', point])
  await rm(hostsFolder, { recursive: true, force: true })
}

/** What is left, in words; nothing is the hope. */
export async function leftovers(): Promise<string[]> {
  const { stdout } = await attempt(['ip', 'netns', 'list'])
  const links = (await attempt(['ip', '-brief', 'link'])).stdout
  return [
    ...[...holders(), ...nspawns(), ...servers()].map((pid) => `process ${pid}: ${readProcess(pid).argv.join(' ')}`),
    ...stdout
      .split('\n')
      .filter((line) => line.startsWith('homelab-'))
      .map((line) => `network namespace ${line}`),
    ...links
      .split('\n')
      .filter((line) => line.startsWith('homelab'))
      .map((line) => `link ${line}`),
    ...leftCgroups().map((path) => `control group ${path}`),
    ...mounts().map((point) => `mount ${point}`),
    ...hostFolders().map((name) => `folder ${name}`),
  ]
}

function hostFolders(): string[] {
  try {
    return readdirSync(hostsFolder)
  } catch {
    return []
  }
}

function pidsWhere(test: (argv: string[]) => boolean): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return pids.filter((pid) => pid !== process.pid && test(readProcess(pid).argv))
}

function holders(): number[] {
  return pidsWhere((argv) => argv.includes('homelab-host') && argv.some((word) => word.startsWith(`${hostsFolder}/`)))
}

function nspawns(): number[] {
  return pidsWhere(
    (argv) => argv[0] === 'systemd-nspawn' && argv.some((word) => word.startsWith(`--directory=${hostsFolder}/`)),
  )
}

/** Headscale, and the tailscaled of a runner: what a test starts on this machine itself. */
function servers(): number[] {
  return pidsWhere(
    ([file = '', ...words]) =>
      /\/(headscale|tailscaled)$/.test(file) && words.some((word) => word.includes(`${hostsFolder}/`)),
  )
}

/** The innermost first. */
function mounts(): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
  return points.filter((point) => point.startsWith(`${labFolder}/`)).toReversed()
}
