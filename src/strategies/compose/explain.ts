import type { Explained } from '../strategy.ts'

const wrong: readonly (readonly [RegExp, Explained['code'], string, string])[] = [
  [
    /unauthorized|incorrect username|authentication required|access (?:to the resource )?is denied|denied: /i,
    'HD-IMAGE-01',
    'The registry did not let us in.',
    'Check `registry`, `registry-username` and `registry-password`: the token must be able to read packages. Nothing was changed.',
  ],
  [
    /manifest unknown|not found|no matching manifest|does not exist|invalid reference/i,
    'HD-IMAGE-02',
    'The registry has no such image.',
    'Check its name and tag, and that it was built for the platform of this host. Nothing was changed.',
  ],
  [
    /connection refused|no such host|timeout|timed out|TLS|x509|no route|EOF|server gave HTTP response|network is unreachable/i,
    'HD-IMAGE-03',
    'The registry cannot be reached from the host.',
    'Check the network and the DNS of the host. What runs was not touched.',
  ],
]

/** What Compose and the engine said, in the words of somebody who has to do something about it. */
export function explain(phase: string, output: string): Explained | undefined {
  const [, kind, about = ''] = /^hd-failed: (login|fetch)\t(.*)$/m.exec(output) ?? []
  if (kind !== undefined) {
    const said = output
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('hd-failed: '))
      .at(-1)
    const found = wrong.find(([pattern]) => pattern.test(said ?? ''))
    const why = [kind === 'fetch' ? `${about}:` : '', said].filter(Boolean).join(' ')
    if (found !== undefined) return { code: found[1], what: found[2], why, fix: found[3] }
    return { code: 'HD-IMAGE-02', what: 'An image could not be had.', why, fix: 'What the engine said is in the log.' }
  }
  if (phase !== 'apply') return undefined
  const line = (pattern: RegExp) => output.split('\n').findLast((each) => pattern.test(each))
  const dependency = line(/dependency failed to start|is unhealthy/i)
  const cause =
    dependency ?? line(/error|failed|cannot|could not|already allocated|not found/i) ?? output.trim().split('\n').at(-1)
  return {
    code: 'HD-COMPOSE-04',
    what: dependency === undefined ? 'Compose could not start the new version.' : 'A service that others need is ill.',
    why: (cause ?? '').trim(),
    fix: 'The logs of the containers are in the summary.',
  }
}
