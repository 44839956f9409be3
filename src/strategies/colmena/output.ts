/** What colmena prints where there is no terminal: `  NAME | TEXT`, and lines of its own as `[ERROR] TEXT`. */

/** The last thing that was said of each node, in the order of `names`: a row a node. */
export function lastRows(output: string, names: readonly string[]): string[] {
  const last = new Map<string, string>()
  for (const line of output.split('\n')) {
    const [, name = '', text = ''] = /^\s*(\S+) \| (.*\S)\s*$/.exec(line) ?? []
    if (text !== '') last.set(name, text)
  }
  return names.flatMap((name) => (last.has(name) ? [`${name}: ${last.get(name)}`] : []))
}

/** Of all that was printed, the line that says why it failed. */
export function reasonOf(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/^\s*\S+ \| /, '').trim())
  const of = (pattern: RegExp) => lines.findLast((line) => pattern.test(line))
  const line =
    of(/^error: ./) ?? of(/^(ssh|nix\S*): ./) ?? of(/\bERROR\b|\[ERROR\s*\]/) ?? lines.findLast((each) => each !== '')
  return line ?? ''
}
