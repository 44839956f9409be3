/** What colmena prints where there is no terminal: `  NAME | TEXT`, and lines of its own as `[ERROR] TEXT` (0.4) or `ERROR TEXT`. */

/** The last thing that was said of each node, in the order of `names`: a row a node. */
export function lastRows(output: string, names: readonly string[]): string[] {
  const last = new Map<string, string>()
  for (const line of output.split('\n')) {
    const [, name = '', text = ''] = /^\s*(\S+) \| (.*\S)\s*$/.exec(line) ?? []
    if (text !== '') last.set(name, text)
  }
  return names.flatMap((name) => (last.has(name) ? [`${name}: ${last.get(name)}`] : []))
}

/** Of all that was printed, the line that says why it failed; at the end it repeats the lines of what failed, as `ERROR  stderr) TEXT`. */
export function reasonOf(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/^\s*\S+ \| |^\[?ERROR\]?\s+(\w+\) )?/, '').trim())
  const last = (pattern: RegExp) => lines.findLast((line) => pattern.test(line))
  return (
    last(/^error: ./) ??
    last(/^(ssh|nix\S*): ./) ??
    last(/^Operation failed with error: ./)?.replace(/^Operation failed with error: /, '') ??
    lines.findLast((line) => line !== '') ??
    ''
  )
}
