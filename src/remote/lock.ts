import { randomBytes } from 'node:crypto'
import { Deadline, humanDuration, sleep } from '../clock.ts'
import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { assign, heredoc } from '../shell.ts'
import type { Host } from './host.ts'
import { Lease } from './lease.ts'
import { lockScript, takeScript } from './lock-script.ts'

/** Who holds the lock: shown to those who wait for it. */
export interface LockOwner {
  readonly run: string
  readonly actor: string
  readonly revision: string
  readonly since: string
}

export interface Lock {
  /** The lock was left behind by a runner that died. */
  readonly wasStale: boolean
  /** By which the host can tell whose lock it is. */
  readonly token: string
  /** What `whenTaken` said on descriptor 3. */
  readonly text: string
  /** Renews the lease over this connection from now on: the one before was lost. */
  keep(host: Host): Promise<void>
  release(host: Host): Promise<void>
}

/** Takes the lock of the application on this host, waiting for whoever holds it. */
export async function takeLock(
  host: Host,
  state: string,
  owner: LockOwner,
  options: { timeoutMs: number; log: Log; signal?: AbortSignal | undefined; whenTaken: string },
): Promise<Lock> {
  const token = randomBytes(12).toString('hex')
  const deadline = new Deadline(options.timeoutMs)
  // Opened before the lock is ours, which saves its round trip: it touches nothing until the first heartbeat.
  const opening = Lease.open(host, state, token)
  opening.catch(() => {})
  await using unneeded = new AsyncDisposableStack()
  unneeded.defer(() => opening.then((lease) => lease.close()).catch(() => {}))
  const script = `${assign({ state, token })}owner() {\n${heredoc('cat', JSON.stringify(owner))}}\nwhen_taken() {\n${options.whenTaken}\n}\n${lockScript}${takeScript}`
  let wasStale = false
  let answer = ''
  for (let said = ''; ; ) {
    // Never cut off half-way: a lock that nobody has signed would be nobody's to free.
    const whole = { label: 'Taking the lock', quiet: true, timeoutMs: 60_000, evenIfCancelled: true }
    const { code, text, tail } = await host.run(script, whole)
    if (code !== 0) {
      throw new DeployError('HD-PATH-04', `The state directory ${state} cannot be written on ${host.name}.`, {
        why: tail.split('\n').at(-1) ?? '',
        fix: 'It needs a home directory that the user may write to, and space on its disk.',
        detail: tail,
      })
    }
    wasStale ||= /^stale$/m.test(text)
    answer = text
    if (/^taken$/m.test(text)) break
    const held = heldFor(text)
    const holder = held ?? describe(text)
    if (deadline.passed) throw busy(host, state, holder, held !== undefined, options.timeoutMs)
    if (holder !== said) options.log.info(`Waiting for the lock: held ${held ?? `by ${holder}`}`)
    said = holder
    await sleep(Math.min(2_000, deadline.left + 1), options.signal)
  }
  let beats = 0
  const next = () => ++beats
  let lease = await opening
  lease.keep(next)
  unneeded.move()
  return {
    wasStale,
    token,
    text: answer,
    async keep(other) {
      lease.stop()
      lease = await Lease.open(other, state, token)
      lease.keep(next)
    },
    async release(holder) {
      // The lease last: while it lasts, nobody on the host takes this run for one that is gone.
      using _ = { [Symbol.dispose]: () => lease.stop() }
      if (holder.ended.aborted) return
      await holder.run(`${assign({ state, token })}${lockScript}cd "$state"; lock_free`, {
        label: 'Releasing the lock',
        quiet: true,
        timeoutMs: 30_000,
        evenIfCancelled: true,
      })
    },
  }
}

function describe(text: string): string {
  try {
    const owner = JSON.parse(text.slice(text.indexOf('{'))) as LockOwner
    return `${owner.run || owner.actor} (since ${owner.since})`
  } catch {
    return 'somebody who left no name'
  }
}

/** For maintenance, since when, and why: as whoever holds it wrote it. */
function heldFor(text: string): string | undefined {
  const [, since, why] = /^held (\S*) (.*)$/m.exec(text) ?? []
  if (why === undefined) return undefined
  return `for maintenance${since ? ` since ${since}` : ''}: ${why.trim() || 'no reason was given'}`
}

function busy(host: Host, state: string, holder: string, maintenance: boolean, waitedMs: number): DeployError {
  const waited = `waited for ${humanDuration(waitedMs)}`
  return maintenance
    ? new DeployError('HD-LOCK-02', `Somebody holds this application on ${host.name}.`, {
        why: `Held ${holder}; ${waited}.`,
        fix: `Ask whoever holds it. When the work is done, on the host: \`${state}/rollback release\`, or \`rm ${state}/maintenance\`.`,
      })
    : new DeployError('HD-LOCK-01', `Another deploy of this application holds the lock on ${host.name}.`, {
        why: `Held by ${holder}; ${waited}.`,
        fix: `Wait for that run, or raise \`lock-timeout\`. If nobody works there any more, remove ${state}/lock on the host.`,
      })
}
