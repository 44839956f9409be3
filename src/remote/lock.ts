import { randomBytes } from 'node:crypto'
import { Deadline, humanDuration, sleep } from '../clock.ts'
import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { assign, heredoc, sh } from '../shell.ts'
import type { Host } from './host.ts'
import { Lease } from './lease.ts'

/** Who holds the lock: shown to those who wait for it. */
export interface LockOwner {
  readonly run: string
  readonly actor: string
  readonly revision: string
  readonly since: string
}

/**
 * `mkdir` either makes the directory or fails: on every file system, and for two who come at the same moment. A lock
 * whose lease nobody renewed for two minutes belongs to a runner that died, and one from before a reboot to a
 * connection that did; it is moved aside by a rename, which again only one can do.
 */
const take = sh`
umask 077; mkdir -p "$state"; cd "$state"
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || :)
hd_group() { read -r _ _ _ _ group _ 2>/dev/null <"/proc/$$/stat" || group=; echo "$group"; }
# Whoever made it died before it could say so.
unsigned() { [ ! -e lock/lease ] && [ -n "$(find lock -prune -mmin +1 2>/dev/null)" ]; }
before() { [ -f lock/boot ] && [ "$(cat lock/boot)" != "$boot" ]; }
if [ -d lock ] && { before || [ -n "$(find lock/lease -mmin +1 2>/dev/null)" ] || unsigned; }; then
  mv lock "lock.stale.$token" 2>/dev/null && { echo stale >&3; rm -rf "lock.stale.$token"; }
fi
if mkdir lock 2>/dev/null; then printf '%s\n' "$token" >lock/token; : >lock/lease; printf '%s\n' "$boot" >lock/boot; hd_group >lock/session; owner >lock/owner.json; echo taken >&3; when_taken
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
  const opening = Lease.open(host, state, token)
  opening.catch(() => {})
  await using unneeded = new AsyncDisposableStack()
  unneeded.defer(() => opening.then((lease) => lease.close()).catch(() => {}))
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

function describe(text: string): string {
  try {
    const owner = JSON.parse(text.slice(text.indexOf('{'))) as LockOwner
    return `${owner.run || owner.actor} (since ${owner.since})`
  } catch {
    return 'somebody who left no name'
  }
}
