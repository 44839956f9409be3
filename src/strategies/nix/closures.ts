/** `/nix/store/HASH-openssl-3.0.14`: `openssl-3.0.14`. */
export const nameOf = (path: string): string => path.replace(/^\/nix\/store\/\w+-/, '')

/** The parts that a package may be split into, as the name of their paths tells them. */
const output = /-(?:bin|dev|doc|man|info|lib|out|debug|static|data|terminfo)$/

/**
 * What the closure of one system has otherwise than that of another: packages by name and version, as `nix store
 * diff-closures` tells them. A path that differs in its hash alone was built anew, of the same version; units are not
 * told here.
 */
export function packageChanges(was: readonly string[], is: readonly string[]): string[] {
  const [before, after] = [versionsOf(was), versionsOf(is)]
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)]
    if (old === undefined) return [`+ ${[name, now].filter(Boolean).join(' ')}`]
    if (now === undefined) return [`- ${[name, old].filter(Boolean).join(' ')}`]
    return old === now ? [] : [`~ ${name} ${old} → ${now}`]
  })
}

function versionsOf(paths: readonly string[]): Map<string, string> {
  const versions = new Map<string, Set<string>>()
  for (const path of paths) {
    const [, name = '', version = ''] = /^(.+?)(?:-(\d.*))?$/.exec(nameOf(path).replace(output, '')) ?? []
    if (name.startsWith('unit-')) continue
    versions.set(name, (versions.get(name) ?? new Set()).add(version))
  }
  return new Map([...versions].map(([name, all]) => [name, [...all].sort().join(', ')]))
}
