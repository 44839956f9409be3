import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Check, parseCheck, type Sample } from '../../../src/health/check.ts'
import { begin, look, type Watched } from '../../../src/health/watch.ts'

const patience = { within: 10_000, stable: 3_000 }
const good = (incarnation = ''): Sample => ({ healthy: true, seen: 'ok', latencyMs: 1, incarnation })
const bad = (incarnation = ''): Sample => ({ healthy: false, seen: 'not ok', latencyMs: 1, incarnation })
const over: Sample = { ...bad(), final: true }

/** Looks once a second, as long as it waits. */
function looks(samples: readonly Sample[], check: Check = parse('unit:app'), every = 1_000): Watched {
  let watched = begin(check)
  samples.forEach((sample, index) => {
    if (watched.state === 'waiting') watched = look(watched, sample, index * every, patience)
  })
  return watched
}

function parse(line: string): Check {
  const check = parseCheck(line)
  if (typeof check === 'string') throw new TypeError(check)
  return check
}

const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))

describe('a check that is watched', () => {
  it('is healthy when it stayed good for the whole of `stable`, and not before', () => {
    expect(looks(times(3, () => good())).state).toBe('waiting')
    expect(looks(times(4, () => good()))).toMatchObject({ state: 'healthy', good: 4, restarts: 0 })
  })

  it('is never healthy in a crash loop, though every look finds it running', () => {
    const seen = looks(times(60, (index) => good(`run-${Math.floor(index / 2)}`)))
    expect(seen).toMatchObject({ state: 'unhealthy' })
    expect(seen.restarts).toBeGreaterThan(3)
  })

  it('is never healthy while it comes and goes', () => {
    expect(looks(times(60, (index) => (index % 3 === 2 ? bad() : good()))).state).toBe('unhealthy')
  })

  it('may come and go at first, and be healthy then', () => {
    expect(looks([bad(), good(), good(), bad(), ...times(4, () => good())]).state).toBe('healthy')
  })

  it('gets its stable time when it was good only just in time, and not more', () => {
    const late = times(10, () => bad())
    expect(looks([...late, good(), good(), good()]).state).toBe('waiting')
    expect(looks([...late, ...times(4, () => good())]).state).toBe('healthy')
    expect(looks([...late, good(), good(), bad()]).state).toBe('unhealthy')
    expect(looks([...late, bad(), good()]).state).toBe('unhealthy')
    expect(looks([...late, good('a'), good('a'), good('b')])).toMatchObject({ state: 'unhealthy', restarts: 1 })
  })

  it('is not waited for when it says itself that it has failed', () => {
    expect(looks([bad(), over])).toMatchObject({ state: 'unhealthy', last: over })
  })

  it('counts as started anew only when it was good before', () => {
    expect(looks([bad('a'), bad('b'), good('c'), ...times(3, () => good('c'))])).toMatchObject({
      state: 'healthy',
      restarts: 0,
    })
    expect(looks([good('a'), good('b'), ...times(3, () => good('b'))])).toMatchObject({ state: 'healthy', restarts: 1 })
  })

  it('can still fall when others are waited for', () => {
    let watched = looks(times(4, () => good()))
    expect(watched.state).toBe('healthy')
    watched = look(watched, bad(), 5_000, patience)
    expect(watched).toMatchObject({ state: 'waiting', good: 0 })
    expect(look(watched, bad(), 11_000, patience).state).toBe('unhealthy')
  })

  it('has the times of its own line before those of all', () => {
    expect(looks([good()], parse('unit:app stable=0s')).state).toBe('healthy')
    expect(looks([bad(), bad(), bad()], parse('unit:app within=1s')).state).toBe('unhealthy')
  })

  it('is healthy only after an unbroken window of one incarnation, and always decided in the end', () => {
    const sample = fc.record({
      healthy: fc.boolean(),
      incarnation: fc.constantFrom('a', 'a', 'a', 'b'),
    })
    fc.assert(
      fc.property(fc.array(sample, { minLength: 20, maxLength: 30 }), (samples) => {
        const all = samples.map(({ healthy, incarnation }) => (healthy ? good(incarnation) : bad(incarnation)))
        let watched = begin(parse('unit:app'))
        let count = 0
        for (const [index, each] of all.entries()) {
          if (watched.state !== 'waiting') break
          watched = look(watched, each, index * 1_000, patience)
          count = index + 1
        }
        expect(watched.state).not.toBe('waiting')
        expect(count).toBeLessThanOrEqual(14)
        const window = all.slice(count - 4, count)
        const whole = count >= 4 && window.every((each) => each.healthy && each.incarnation === window[0]?.incarnation)
        expect(watched.state === 'healthy').toBe(whole)
      }),
      { numRuns: 500 },
    )
  })
})
