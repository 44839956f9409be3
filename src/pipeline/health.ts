import { humanDuration } from '../clock.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import { type Check, parseCheck, type Site, sampleAll, type Watched, watch } from '../health/index.ts'
import type { Network } from '../remote/network.ts'
import type { MachineRecord } from '../report/recorder.ts'
import type { HealthRecord } from '../report/report.ts'
import { quote } from '../shell.ts'
import { titleOn } from './acts.ts'
import type { Context } from './context.ts'
import { type Aimed, type Begun, onAll } from './fleet.ts'

/** The checks of a run, what they were before the change, and where they are asked. */
export interface Vitals {
  readonly site: Site
  readonly checks: readonly Check[]
  /** The checks that were ill already, and what was seen. */
  readonly ill: Map<string, string>
  /** All of them, as they were. */
  readonly before: HealthRecord[]
}

/** Looks once before the change, so that a service that was ill already is not blamed on it. */
export async function baseline<M extends Aimed>(
  context: Context,
  members: readonly M[],
  all = onAll,
): Promise<(M & { readonly vitals: Vitals })[]> {
  const looking = members.map((member) => ({ ...member, vitals: vitalsOf(member, context.network) }))
  if (looking.every(({ vitals }) => vitals.checks.length === 0)) return looking
  return await all(context, 'Look at its health before', looking, async (member, note) => {
    const { site, checks, ill, before } = member.vitals
    for (const [{ text }, { healthy, seen, latencyMs }] of await sampleAll(member.link.host, asOfOld(site), checks)) {
      before.push({ check: text, healthy, seen, latencyMs })
      if (!healthy) ill.set(text, seen)
    }
    note(ill.size === 0 ? 'healthy' : `not healthy: ${[...ill].map(([text, seen]) => `${text} (${seen})`).join(', ')}`)
    return member
  })
}

function vitalsOf(member: Aimed, network: Network): Vitals {
  const checks = member.goal.health.map(parseCheck).filter((check) => typeof check !== 'string')
  return { site: siteOf(member, network), checks, ill: new Map(), before: [] }
}

/**
 * What runs, for `status`: looked at for a few seconds, for in a crash loop a unit is well in most moments; and what is
 * ill for a moment only is no news. The time limits hold where somebody gave them.
 */
export async function checkRunning(context: Context, member: Aimed): Promise<readonly Watched[]> {
  const { site, checks } = vitalsOf(member, context.network)
  const { given, health } = context.plan
  const within = given.has('health-timeout') ? health.within : 10_000
  const stable = given.has('health-stable') ? health.stable : 3_000
  const onLook = show(context, member.record)
  return await watch(
    () => member.link.host,
    asOfOld(site),
    checks,
    { within, stable },
    { signal: context.signal, onLook },
  )
}

function siteOf({ change: { places }, goal, facts }: Aimed, network: Network): Site {
  const systemctl = goal.options.uv?.scope === 'user' ? '--user' : ''
  return {
    path: places.path,
    systemctl,
    since: `cat ${quote(`${places.state}/work/since`)}`,
    network,
    engine: facts.engine,
    state: places.state,
  }
}

/** It may never have been stopped, so that what it has said counts from its own start. */
function asOfOld(site: Site): Site {
  return { ...site, since: '' }
}

/** Waits until the new version is healthy and stays so; throws when it does not. */
export async function checkHealth(context: Context, member: Begun): Promise<void> {
  const { vitals, link } = member
  if (vitals.checks.length === 0) return
  await context.step(titleOn(member, 'Check health'), async ({ note }) => {
    const watched = await observe(context, member, vitals, 'new')
    const bad = watched.filter(({ state }) => state !== 'healthy')
    if (bad.length > 0) throw unhealthy(bad, vitals, member.transaction.gated ? ` on ${link.host.name}` : '')
    note(`${watched.length} ${watched.length === 1 ? 'check' : 'checks'} healthy`)
  })
}

/** The same checks once the old version is back, but for those that were ill before the deploy. */
export async function checkOldVersion(context: Context, members: readonly Begun[]): Promise<void> {
  const looking = members.flatMap((member) => {
    const checks = member.vitals.checks.filter(({ text }) => !member.vitals.ill.has(text))
    const vitals = { checks, site: asOfOld(member.vitals.site) }
    return checks.length === 0 ? [] : [{ member, vitals, record: member.record }]
  })
  if (looking.length === 0) return
  await onAll(context, 'Check the old version', looking, async ({ member, vitals }, note) => {
    const watched = await observe(context, member, vitals, 'old')
    const bad = watched.filter(({ state }) => state !== 'healthy')
    if (bad.length > 0) {
      throw new DeployError(
        'HD-ROLL-03',
        `The old version is back on ${member.link.host.name}, and it is not healthy.`,
        {
          why: bad.map(describe).join('; '),
          fix: 'Look at the host: something the deploy changed outside of `path` (data, a dependency, the network) was not put back.',
        },
      )
    }
    note('healthy again')
  })
}

/** The version that this run is about, or the one that came back: the summary has what was seen of both. */
type Which = 'new' | 'old'

function show(context: Context, record: MachineRecord, which: Which = 'new'): (watched: readonly Watched[]) => void {
  return (watched) => {
    const seen = watched.map(({ check, state, last }) => ({
      check: check.text,
      healthy: state === 'healthy',
      seen: last?.seen ?? '',
      latencyMs: last?.latencyMs ?? 0,
    }))
    if (which === 'new') record.health = seen
    else record.healthAfter = seen
    context.progress(
      watched
        .map(
          (each) =>
            `${each.check.text}: ${each.last?.seen ?? ''}${each.state === 'waiting' && each.good > 0 ? ', waiting whether it lasts' : ''}`,
        )
        .join('; '),
    )
  }
}

async function observe(
  context: Context,
  { guard, link, record }: Begun,
  { site, checks }: Pick<Vitals, 'site' | 'checks'>,
  which: Which,
): Promise<readonly Watched[]> {
  const { within, stable } = context.plan.health
  // What has to be put back is looked at also after a cancel.
  const signal = which === 'new' ? context.signal : undefined
  const onLook = show(context, record, which)
  for (;;) {
    try {
      return await watch(() => link.host, site, checks, { within, stable }, { signal, onLook })
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      await guard.reconnect()
    }
  }
}

function unhealthy(bad: readonly Watched[], { ill }: Vitals, where: string): DeployError {
  const before = bad.flatMap(({ check }) =>
    ill.has(check.text) ? [`${check.text} was not healthy before this deploy either (${ill.get(check.text)})`] : [],
  )
  return new DeployError(
    'HD-HEALTH-01',
    `The new version is not healthy${where}: ${bad.map(({ check }) => check.text).join(', ')}.`,
    {
      why: [...bad.map(describe), ...before].join('; '),
      fix: 'Read its logs: those of that time that its strategy knows of are in the summary. If it only needs longer to start, raise `health-timeout` (and `confirm-timeout` with it).',
    },
  )
}

export function describe({ check, last, restarts, good, goodSince }: Watched): string {
  const again = restarts > 0 ? `, and it was started anew ${restarts} ${restarts === 1 ? 'time' : 'times'}` : ''
  const lasted =
    good > 0 ? ` (good for ${good} looks since ${humanDuration(goodSince)} after the start, not long enough)` : ''
  return `${check.text}: ${last?.seen ?? 'never looked at'}${again}${lasted}`
}
