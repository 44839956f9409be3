import type { Facts } from '../../remote/facts.ts'
import { type UvOptions, unitName } from './options.ts'

/** Absolute, for sudo compares what it runs with what is written, word by word. */
export interface Programs {
  readonly systemctl: string
  readonly install: string
  readonly rm: string
}

export function programsOf({ tools }: Facts): Programs {
  const at = (name: string) => tools[name]?.path ?? `/usr/bin/${name}`
  return { systemctl: at('systemctl'), install: at('install'), rm: at('rm') }
}

export interface Commands {
  /** Without these nothing can be deployed. */
  readonly needed: readonly (readonly string[])[]
  /** For a way back from a first deploy or a start that was tried too often, and for a unit that goes. */
  readonly besides: readonly (readonly string[])[]
}

/** What exactly this deploy runs as root, where it is another user: it restarts its units, and puts its files in place. */
export function rootCommands(
  { services, restart, unitFiles, scope }: UvOptions,
  { systemctl, install, rm }: Programs,
  state: string,
): Commands {
  if (scope === 'user') return { needed: [], besides: [] }
  const names = unitFiles.map(unitName)
  const own = names.filter((name) => !name.endsWith('.conf'))
  const begun = own.filter((name) => /\.(timer|socket|path)$/.test(name))
  const units = [...new Set([...restart, ...services, ...begun])]
  return {
    needed: [
      ...units.map((unit) => [systemctl, 'restart', unit]),
      ...names.map((name) => [
        ...[install, '-D', '-m', '644', `${state}/units/${name}`],
        `/etc/systemd/system/${name}`,
      ]),
      ...own.map((name) => [systemctl, 'enable', name]),
      ...(names.length > 0 ? [[systemctl, 'daemon-reload']] : []),
    ],
    besides: [
      ...units.flatMap((unit) => [
        [systemctl, 'reset-failed', unit],
        [systemctl, 'stop', unit],
      ]),
      ...own.flatMap((name) => [
        [systemctl, 'disable', name],
        [systemctl, 'disable', '--now', name],
      ]),
      ...names.map((name) => [rm, '-f', `/etc/systemd/system/${name}`]),
    ],
  }
}

/** The shortest sudoers file with which this user can deploy this, and nothing else; empty where none is needed. */
export function sudoers(user: string, { needed, besides }: Commands): string {
  const all = [...needed, ...besides].map((words) => words.map(escapeWord).join(' '))
  return all.length === 0 ? '' : `${escapeWord(user)} ALL=(root) NOPASSWD: ${all.join(', \\\n  ')}\n`
}

/** Signs with a meaning in a sudoers file, wildcards among them. */
function escapeWord(word: string): string {
  return word.replace(/[\\,:=*?[\]! "#]/g, (sign) => `\\${sign}`)
}
