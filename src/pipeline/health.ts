import { humanDuration } from '../clock.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Guard } from '../guard/guard.ts'
import { type Check, parseCheck, type Site, sampleAll, type Watched, watch } from '../health/index.ts'
import type { Host } from '../remote/host.ts'
import { quote } from '../shell.ts'
import type { Context } from './context.ts'
import type { Change } from './scripts.ts'

/** The checks of a run, what they were before the change, and where they are asked. */
export interface Vitals {
  readonly site: Site
  readonly checks: readonly Check[]
  /** The checks that were ill already, and what was seen. */
  readonly ill: Map<string, string>
}

/** Looks once before the change, so that a service that was ill already is not blamed on it. */
export async function baseline(
  context: Context,
  host: Host,
  change: Change,
  lines: readonly string[],
): Promise<Vitals> {
  const checks = lines.map(parseCheck).filter((check) => typeof check !== 'string')
  const vitals: Vitals = { site: siteOf(change), checks, ill: new Map() }
  if (checks.length === 0) return vitals
  return await context.step('Look at its health before', async ({ note }) => {
    // A log line is looked for from the change on: before, it says nothing.
    for (const [{ kind, text }, { healthy, seen }] of await sampleAll(host, vitals.site, checks))
      if (!healthy && kind !== 'log') vitals.ill.set(text, seen)
    note(
      vitals.ill.size === 0
        ? 'healthy'
        : `not healthy: ${[...vitals.ill].map(([text, seen]) => `${text} (${seen})`).join(', ')}`,
    )
    return vitals
  })
}

function siteOf({ places }: Change): Site {
  return { path: places.path, systemctl: '', since: `cat ${quote(`${places.state}/work/since`)}` }
}

/** Waits until the new version is healthy and stays so; throws when it does not. */
export async function checkHealth(context: Context, guard: Guard, vitals: Vitals): Promise<void> {
  if (vitals.checks.length === 0) return
  await context.step('Check health', async ({ note }) => {
    const watched = await observe(context, guard, vitals, true)
    const bad = watched.filter(({ state }) => state !== 'healthy')
    if (bad.length > 0) throw unhealthy(bad, vitals)
    note(`${watched.length} ${watched.length === 1 ? 'check' : 'checks'} healthy`)
  })
}

/** The same checks once the old version is back, but for those that were ill before the deploy. */
export async function checkOldVersion(context: Context, guard: Guard, vitals: Vitals): Promise<void> {
  const checks = vitals.checks.filter(({ text }) => !vitals.ill.has(text))
  if (checks.length === 0) return
  await context.step('Check the old version', async ({ note }) => {
    const watched = await observe(context, guard, { ...vitals, checks }, false)
    const bad = watched.filter(({ state }) => state !== 'healthy')
    if (bad.length > 0) {
      throw new DeployError('HD-ROLL-03', 'The old version is back, and it is not healthy.', {
        why: bad.map(describe).join('; '),
        fix: 'Look at the host: something the deploy changed outside of `path` (data, a dependency, the network) was not put back.',
      })
    }
    note('healthy again')
  })
}

async function observe(
  context: Context,
  guard: Guard,
  vitals: Vitals,
  cancellable: boolean,
): Promise<readonly Watched[]> {
  const { within, stable } = context.plan.health
  const signal = cancellable ? context.signal : undefined
  const onLook = (watched: readonly Watched[]) => {
    context.recorder.health = watched.map(({ check, state, last }) => ({
      ...{ check: check.text, healthy: state === 'healthy', seen: last?.seen ?? '', latencyMs: last?.latencyMs ?? 0 },
    }))
    context.progress(
      watched
        .map(
          (each) =>
            `${each.check.text}: ${each.last?.seen ?? ''}${each.state === 'waiting' && each.good > 0 ? ', waiting whether it lasts' : ''}`,
        )
        .join('; '),
    )
  }
  for (;;) {
    try {
      return await watch(() => guard.host, vitals.site, vitals.checks, { within, stable }, { signal, onLook })
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      await guard.reconnect()
    }
  }
}

function unhealthy(bad: readonly Watched[], { ill }: Vitals): DeployError {
  const before = bad.flatMap(({ check }) =>
    ill.has(check.text) ? [`${check.text} was not healthy before this deploy either (${ill.get(check.text)})`] : [],
  )
  return new DeployError(
    'HD-HEALTH-01',
    `The new version is not healthy: ${bad.map(({ check }) => check.text).join(', ')}.`,
    {
      why: [...bad.map(describe), ...before].join('; '),
      fix: 'Its logs of that time are in the summary. If it only needs longer to start, raise `health-timeout` (and `confirm-timeout` with it).',
    },
  )
}

function describe({ check, last, restarts, good, goodSince }: Watched): string {
  const again = restarts > 0 ? `, and it was started anew ${restarts} ${restarts === 1 ? 'time' : 'times'}` : ''
  const lasted =
    good > 0 ? ` (good for ${good} looks since ${humanDuration(goodSince)} after the start, not long enough)` : ''
  return `${check.text}: ${last?.seen ?? 'never looked at'}${again}${lasted}`
}
