import type { Check, Sample } from './check.ts'

/** What is known of one check after some looks. Pure: time comes from outside. */
export interface Watched {
  readonly check: Check
  readonly state: 'waiting' | 'healthy' | 'unhealthy'
  readonly last: Sample | undefined
  /** When the present run of good looks began. */
  readonly goodSince: number
  readonly good: number
  /** How often it was started anew while we watched. */
  readonly restarts: number
}

export interface Patience {
  /** Milliseconds from the beginning until it must be healthy. */
  readonly within: number
  /** For how long it must stay so. */
  readonly stable: number
}

export function begin(check: Check): Watched {
  return { check, state: 'waiting', last: undefined, goodSince: 0, good: 0, restarts: 0 }
}

/**
 * Healthy is who was seen good, as the same run of the same thing, for the whole of `stable`. A thing that becomes
 * good and bad again may try anew until `within` is over; one that was good too late to prove it gets the time it
 * needs for that, and not more.
 */
export function look(watched: Watched, sample: Sample, now: number, patience: Patience): Watched {
  const { check, last } = watched
  const within = check.within ?? patience.within
  const stable = check.stable ?? patience.stable
  const anew = last !== undefined && last.incarnation !== '' && sample.incarnation !== last.incarnation
  const restarts = watched.restarts + (anew && watched.good > 0 ? 1 : 0)
  const goes = sample.healthy && watched.good > 0 && !anew
  const goodSince = sample.healthy ? (goes ? watched.goodSince : now) : 0
  const good = sample.healthy ? (goes ? watched.good + 1 : 1) : 0
  const next = { check, last: sample, goodSince, good, restarts }
  if (sample.healthy && now - goodSince >= stable) return { ...next, state: 'healthy' }
  if (sample.final === true) return { ...next, state: 'unhealthy' }
  const late = sample.healthy ? goodSince > within : now > within
  return { ...next, state: late ? 'unhealthy' : 'waiting' }
}
