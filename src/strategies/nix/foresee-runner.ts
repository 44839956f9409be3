import { join } from 'node:path'
import { assign, quote, sh } from '../../shell.ts'
import type { RunnerWork } from '../strategy.ts'
import { activationScripts } from './activation.ts'
import { nameOf, packageChanges } from './closures.ts'
import { lookingFunctions } from './foresee.ts'
import type { NixOptions } from './options.ts'
import { buildEach, type Member, nix } from './runner-build.ts'
import { unitChange } from './unit-changes.ts'

/** For a plan: what each host would get is built on the runner, and compared with what runs there; nothing is copied. */
export async function foreseeOnRunner(options: NixOptions, work: RunnerWork): Promise<readonly string[][]> {
  return await buildEach(options, work, async (path, member, folder) => await compareSystems(path, member, folder))
}

/** The system that runs: its closure, the links of its units, and those units that are active. */
const look = sh`
hd_system=$(hd_running)
printf 'system %s\n' "$hd_system" >&3
hd_look path-info -r "$hd_system" | sed 's/^/path /' >&3
[ ! -d "$hd_system/etc/systemd/system" ] || find "$hd_system/etc/systemd/system/" -type l -printf 'unit %P %l\n' >&3
systemctl list-units --state=active,activating,reloading --plain --no-legend --no-pager 2>/dev/null </dev/null | awk '{ print "active " $1 }' >&3
`

/** What this system would change on the host. Without the folder of a build it is not on the runner, and all that is known is its name. */
export async function compareSystems(path: string, member: Member, folder?: string): Promise<string[]> {
  const said = await onHost(member, look)
  const all = (word: string) =>
    said.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
  const [system = ''] = all('system')
  if (system === path) return []
  const other = `~ another system: ${nameOf(path)}`
  if (folder === undefined) return [other]
  const [was, is] = [all('path'), await closureOf(path, folder)]
  // A Nix so old that it cannot read without writing.
  if (was.length === 0) return [other]
  const oldUnits = new Map(all('unit').map((line) => line.split(' ') as [string, string]))
  const units = await unitChanges(member, folder, oldUnits, await unitsOf(is, folder), new Set(all('active')))
  const others = (paths: readonly string[], own: string) => paths.filter((one) => one !== own)
  return [other, ...packageChanges(others(was, system), others(is, path)), ...units]
}

const closureOf = async (path: string, folder: string) =>
  (await nix(['path-info', '-r', path], folder, 'look')).split('\n').filter(Boolean)

interface Listing {
  readonly type: string
  readonly target?: string
  readonly entries?: Readonly<Record<string, Listing>>
}

/** The links of the units, by the name that NixOS gives to the folder of them. */
async function unitsOf(closure: readonly string[], folder: string): Promise<Map<string, string>> {
  const units = closure.find((path) => nameOf(path) === 'system-units')
  if (units === undefined) return new Map()
  const listing = JSON.parse(await nix(['store', 'ls', '--json', '--recursive', units], folder, 'look')) as Listing
  const links = ({ type, target, entries = {} }: Listing, name: string): [string, string][] =>
    type === 'symlink' && target !== undefined
      ? [[name, target]]
      : Object.entries(entries).flatMap(([entry, one]) => links(one, join(name, entry)))
  return new Map(links(listing, ''))
}

/** Of a unit that is masked there is no text. */
const masked = '/dev/null'

/** A unit is its file, and those below NAME.d; where the links are the same, so is the unit. */
async function unitChanges(
  member: Member,
  folder: string,
  was: ReadonlyMap<string, string>,
  is: ReadonlyMap<string, string>,
  active: ReadonlySet<string>,
): Promise<string[]> {
  if (is.size === 0) return ['~ its units could not be compared']
  const parts = (links: ReadonlyMap<string, string>, unit: string) =>
    [...links].filter(([name]) => name === unit || name.startsWith(`${unit}.d/`)).map(([, target]) => target)
  const names = [...was.keys(), ...is.keys()]
    .map((name) => name.replace(/\.d\/.*$/, ''))
    .filter((name) => !name.includes('/'))
  const changed = [...new Set(names)].sort().filter((name) => String(parts(was, name)) !== String(parts(is, name)))
  const old = await textsOnHost(member, [...new Set(changed.flatMap((name) => parts(was, name)))])
  const lines: string[] = []
  for (const name of changed) {
    const now: string[] = []
    for (const file of parts(is, name)) if (file !== masked) now.push(await nix(['store', 'cat', file], folder, 'look'))
    const before = parts(was, name).flatMap((file) => old.get(file) ?? [])
    const text = (all: readonly string[]) => (all.length === 0 ? undefined : all.join('\n'))
    const line = unitChange(name, text(before), text(now), active.has(name))
    if (line !== undefined) lines.push(line)
  }
  return lines
}

async function textsOnHost(member: Member, files: readonly string[]): Promise<Map<string, string>> {
  const wanted = files.filter((file) => file !== masked)
  if (wanted.length === 0) return new Map()
  const script = `for file in ${wanted.map(quote).join(' ')}; do printf '%s %s\\n' "$file" "$(base64 <"$file" | tr -d '\\n')" >&3; done`
  const lines = (await onHost(member, script)).map((line) => line.split(' ') as [string, string])
  return new Map(lines.map(([file, text]) => [file, Buffer.from(text, 'base64').toString()]))
}

async function onHost({ host, facts }: Member, script: string): Promise<string[]> {
  const { head } = activationScripts(facts, { native: false, judged: true })
  const values = assign({ hd_nix: facts.tools['nix']?.path ?? '/run/current-system/sw/bin/nix' })
  const { text } = await host.run(`${head}${values}${lookingFunctions}${script}`, {
    label: 'Looking at the system',
    quiet: true,
    timeoutMs: 120_000,
  })
  return text.split('\n').filter(Boolean)
}
