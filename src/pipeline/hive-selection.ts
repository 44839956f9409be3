import { DeployError } from '../errors.ts'
import { globToRegex, type Hive, type HiveNode } from '../strategies/colmena/nodes.ts'

const fits = (pattern: string, name: string) => new RegExp(`^(?:${globToRegex(pattern)})$`).test(name)
const isTag = (pattern: string) => pattern.startsWith('@')

/** colmena itself says "All done!" when it has deployed to nobody. */
export function refuseSelection(patterns: readonly string[], { all, selected }: Hive): void {
  const idle = patterns.filter((pattern) => !isTag(pattern) && !all.some((name) => fits(pattern, name)))
  if (selected.length === 0 || idle.length > 0) {
    const names = (idle.length > 0 ? idle : patterns).join(', ')
    throw new DeployError('HD-HIVE-01', `The hive has no node that \`nodes\` selects by ${names}.`, {
      why: `It has ${all.slice(0, 30).join(', ') || 'none at all'}.`,
      fix: 'Write in `nodes` the name of a node, a pattern such as `web-*`, or a tag as `@tag`. Nothing was touched.',
    })
  }
  const seen = new Map<string, string>()
  for (const { name, host, user, port } of selected) {
    if (host === null)
      throw cannotReach(name, 'Its `deployment.targetHost` is null, so it can only be deployed to by itself.')
    if (!/^[A-Za-z0-9_:.][A-Za-z0-9_:.%-]*$/.test(host) || !/^[A-Za-z0-9_][\w.@-]*$/.test(user ?? 'root'))
      throw cannotReach(name, `\`${user ?? 'root'}@${host}\` is no address.`)
    const place = `${host} port ${port ?? 22}`
    const other = seen.get(place)
    if (other !== undefined) throw cannotReach(name, `${place} is the address of ${other} as well.`)
    seen.set(place, name)
  }
}

function cannotReach(name: string, why: string): DeployError {
  return new DeployError('HD-HIVE-03', `The node ${name} has no address to deploy to.`, {
    why,
    fix: `Set \`deployment.targetHost\` (and \`targetUser\`, \`targetPort\`) of ${name}, or leave it out of \`nodes\`.`,
  })
}

/** As they are named: the first is the canary. Those that only a tag selects come last. */
export function orderOf(patterns: readonly string[], nodes: readonly HiveNode[]): HiveNode[] {
  const place = ({ name }: HiveNode) => {
    const at = patterns.findIndex((pattern) => !isTag(pattern) && fits(pattern, name))
    return at < 0 ? patterns.length : at
  }
  return nodes.toSorted((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1))
}
