import { sleep } from '../clock.ts'
import type { Host } from '../remote/host.ts'
import type { Check, Sample } from './check.ts'
import { type Site, sampleOnHost } from './host-samples.ts'
import { sampleOnRunner } from './runner-samples.ts'
import { begin, look, type Patience, type Watched } from './watch.ts'

export { type Check, parseCheck } from './check.ts'
export { evidence, type Site } from './host-samples.ts'
export type { Patience, Watched } from './watch.ts'

/** One look at everything: the baseline before a change, or a status. */
export async function sampleAll(host: Host, site: Site, checks: readonly Check[]): Promise<Map<Check, Sample>> {
  const onHost = checks.filter(({ from }) => from === 'host')
  const onRunner = checks.filter(({ from }) => from === 'runner')
  const [first, ...others] = await Promise.all([
    onHost.length === 0 ? new Map<Check, Sample>() : sampleOnHost(host, site, onHost),
    ...onRunner.map(async (check) => [check, await sampleOnRunner(check, site.network)] as const),
  ])
  return new Map([...first, ...others])
}

/** Looks until every check is healthy and has stayed so, or one never will. `host` is asked anew for each look. */
export async function watch(
  host: () => Host,
  site: Site,
  checks: readonly Check[],
  patience: Patience,
  options: { signal?: AbortSignal | undefined; onLook: (watched: readonly Watched[]) => void },
): Promise<readonly Watched[]> {
  const start = performance.now()
  let watched: readonly Watched[] = checks.map(begin)
  for (let pause = 100; watched.length > 0; pause = Math.min(pause * 2, 1_000)) {
    options.signal?.throwIfAborted()
    const waiting = watched.filter(({ state }) => state === 'waiting')
    // Everything is looked at until the end: what was healthy first can still fall.
    const samples = await sampleAll(host(), site, checks)
    const now = performance.now() - start
    watched = watched.map((each) => {
      const sample = samples.get(each.check)
      return sample === undefined ? each : look(each, sample, now, patience)
    })
    options.onLook(watched)
    if (watched.some(({ state }) => state === 'unhealthy') || watched.every(({ state }) => state === 'healthy')) break
    await sleep(waiting.length === 0 ? 0 : pause, options.signal)
  }
  return watched
}
