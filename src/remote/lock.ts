import { randomBytes } from 'node:crypto'
import { Deadline, humanDuration, sleep } from '../clock.ts'
import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { assign, heredoc, sh } from '../shell.ts'
import type { Host, Pipe } from './host.ts'

/** Who holds the lock: shown to those who wait for it. */
export interface LockOwner {
  readonly run: string
  readonly actor: string
  readonly revision: string
  readonly since: string
}

const heartbeatMs = 10_000

/**
 * `mkdir` either makes the directory or fails: on every file system, and for two who come at the same moment. A lock
 * whose lease nobody renewed for two minutes belongs to a runner that died, and one from before a reboot to a
 * connection that did; it is moved aside by a rename, which again only one can do.
 */
const take = sh`
umask 077; mkdir -p "$state"; cd "$state"
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || :)
before() { [ -f lock/boot ] && [ "$(cat lock/boot)" != "$boot" ]; }
if [ -d lock ] && { before || [ -n "$(find lock/lease -mmin +1 2>/dev/null)" ]; }; then
  mv lock "lock.stale.$token" 2>/dev/null && { echo stale >&3; rm -rf "lock.stale.$token"; }
fi
if mkdir lock 2>/dev/null; then printf '%s\n' "$token" >lock/token; : >lock/lease; printf '%s\n' "$boot" >lock/boot; owner >lock/owner.json; echo taken >&3; when_taken
else echo busy >&3; cat lock/owner.json >&3 2>/dev/null || :; fi
`

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
  const opening = openLease(host, state, token)
  opening.catch(() => {})
  await using unneeded = new AsyncDisposableStack()
  unneeded.defer(() => opening.then((pipe) => pipe.close()).catch(() => {}))
  const script = `${assign({ state, token })}owner() {\n${heredoc('cat', JSON.stringify(owner))}}\nwhen_taken() {\n${options.whenTaken}\n}\n${take}`
  let wasStale = false
  let answer = ''
  for (let said = ''; ; ) {
    const { code, text, tail } = await host.run(script, { label: 'Taking the lock', quiet: true, timeoutMs: 60_000 })
    if (code !== 0) {
      throw new DeployError('HD-PATH-04', `The state directory ${state} cannot be written on ${host.name}.`, {
        why: tail.split('\n').at(-1) ?? '',
        fix: 'It needs a home directory that the user may write to, and space on its disk.',
        detail: tail,
      })
    }
    wasStale ||= text.includes('stale\n')
    answer = text
    if (text.includes('taken\n')) break
    const holder = describe(text)
    if (deadline.passed) {
      throw new DeployError('HD-LOCK-01', `Another deploy of this application holds the lock on ${host.name}.`, {
        why: `Held by ${holder}; waited for ${humanDuration(options.timeoutMs)}.`,
        fix: `Wait for that run, or raise \`lock-timeout\`. If nobody works there any more, remove ${state}/lock on the host.`,
      })
    }
    if (holder !== said) options.log.info(`Waiting for the lock: held by ${holder}`)
    said = holder
    await sleep(Math.min(2_000, deadline.left + 1), options.signal)
  }
  let lease = keepLease(await opening)
  unneeded.move()
  return {
    wasStale,
    token,
    text: answer,
    async keep(other) {
      lease.stop()
      lease = keepLease(await openLease(other, state, token))
    },
    async release(holder) {
      lease.stop()
      if (holder.ended.aborted) return
      const done = sh`cd "$state"; if [ "$(cat lock/token 2>/dev/null)" = "$token" ]; then mv lock "lock.done.$token" && rm -rf "lock.done.$token"; fi`
      await holder.run(assign({ state, token }) + done, {
        label: 'Releasing the lock',
        quiet: true,
        timeoutMs: 30_000,
        evenIfCancelled: true,
      })
    },
  }
}

/**
 * A channel of its own for the lease: it lives exactly as long as this process can still reach the host. When it ends,
 * the host knows that the runner is gone. With no change under way that frees the lock; with one, the guard decides.
 */
const renew = sh`
while read -r beat; do last=$beat; echo "$beat" >"$state/lock/beat" && : >"$state/lock/lease" || exit 0; done
[ -n "$last" ] && cd "$state" || exit 0
[ "$(cat lock/beat)" != "$last" ] || echo gone >lock/beat
if [ ! -e pending.json ] && [ "$(cat lock/token)" = "$token" ]; then rm -rf work; mv lock "lock.gone.$token" && rm -rf "lock.gone.$token"; fi
`

async function openLease(host: Host, state: string, token: string): Promise<Pipe> {
  const pipe = await host.pipe(`exec 2>/dev/null; ${assign({ state, token, last: '' })}${renew}`)
  pipe.stdout.resume()
  pipe.stderr.resume()
  return pipe
}

function keepLease(pipe: Pipe): { stop(): void } {
  let beats = 0
  const beat = () => pipe.stdin.write(`${++beats}\n`)
  beat()
  const timer = setInterval(beat, heartbeatMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      pipe.stdin.end()
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
