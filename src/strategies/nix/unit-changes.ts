/** A unit file: its sections, their keys, and the values of each. */
type Unit = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

/** What a change of these keys of [Unit] does not ask for. */
const ignored = new Set([
  ...['X-Reload-Triggers', 'Description', 'Documentation', 'OnFailure', 'OnSuccess', 'OnFailureJobMode'],
  ...['IgnoreOnIsolate', 'StopWhenUnneeded', 'RefuseManualStart', 'RefuseManualStop', 'AllowIsolate', 'CollectMode'],
  'SourcePath',
])

/**
 * What an activation does with a unit, by the rules of `switch-to-configuration`, in the words of a plan: `down` for what
 * is interrupted. Texts are undefined where a system has no such unit.
 */
export function unitChange(
  name: string,
  was: string | undefined,
  is: string | undefined,
  active: boolean,
): string | undefined {
  if (was === undefined) return is === undefined ? undefined : `+ unit ${name}`
  const old = parseUnit(was)
  if (is === undefined) {
    return active && flag(old, 'Unit', 'X-StopOnRemoval', true) ? `down ${name} is stopped` : `- unit ${name}`
  }
  const unit = parseUnit(is)
  const wanted = compare(old, unit)
  if (wanted === undefined || /\.(?:target|slice)$/.test(name)) return undefined
  if (!active) return `~ unit ${name}, which does not run`
  if (wanted === 'reload' || flag(unit, 'Service', 'X-ReloadIfChanged', false)) return `~ ${name} is reloaded`
  const stays =
    name.endsWith('.socket') ||
    !flag(unit, 'Service', 'X-RestartIfChanged', true) ||
    flag(unit, 'Unit', 'RefuseManualStop', false) ||
    flag(unit, 'Unit', 'X-OnlyManualStart', false)
  return stays ? `~ ${name} changes, and is not restarted` : `down ${name} is restarted`
}

function parseUnit(text: string): Unit {
  const unit = new Map<string, Map<string, string[]>>()
  let section = new Map<string, string[]>()
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const [, title, key, value = ''] = /^\s*(?:\[(.+)\]|([^#;=][^=]*?)\s*=\s*(.*?))\s*$/.exec(line) ?? []
    if (title !== undefined) {
      section = unit.get(title) ?? new Map()
      // What it is wanted by does not concern what runs.
      if (title !== 'Install') unit.set(title, section)
    } else if (key !== undefined) section.set(key, value === '' ? [] : [...(section.get(key) ?? []), value])
  }
  return unit
}

function compare(was: Unit, is: Unit): 'restart' | 'reload' | undefined {
  let wanted: 'reload' | undefined
  for (const section of new Set([...was.keys(), ...is.keys()])) {
    const [old, now] = [was.get(section), is.get(section)]
    for (const key of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
      if (String(old?.get(key)) === String(now?.get(key))) continue
      const reloads =
        section === 'Unit' ? key === 'X-Reload-Triggers' && now?.has(key) : section === 'Mount' && key === 'Options'
      if (reloads) wanted = 'reload'
      else if (section !== 'Unit' || !ignored.has(key)) return 'restart'
    }
  }
  return wanted
}

function flag(unit: Unit, section: string, key: string, otherwise: boolean): boolean {
  const value = unit.get(section)?.get(key)?.at(-1)
  return value === undefined ? otherwise : /^(?:1|yes|true|on)$/.test(value)
}
