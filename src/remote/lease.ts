import { assign, sh } from '../shell.ts'
import { endScript } from './end-script.ts'
import type { Host, Pipe } from './host.ts'

const heartbeatMs = 10_000
/** A runner that is cut off gives its connection up after thirty seconds; the host waits somewhat longer. */
const silenceSeconds = 60

/**
 * A channel of its own for the lease: it lives as long as this process can reach the host. When it ends or falls
 * silent, the runner is gone. A change that is open ends first; then whatever the run was at on the host is ended here,
 * and what it had made goes, the lock last.
 */
const renew = sh`
guarded() { read -r pid 2>/dev/null <work/pid || return 1; case $(tr '\0' ' ' <"/proc/$pid/cmdline") in *work/guard.sh*) ;; *) return 1 ;; esac; }
mine() { read -r holder <lock/token && [ "$holder" = "$token" ]; }
gone() {
  cd "$state" || return 0
  # The run may be at the very moment of taking it.
  [ -n "$last" ] || sleep 1
  mine || return 0
  now=
  read -r now <lock/beat
  # A later connection of the same run.
  [ "$now" = "$last" ] || return 0
  echo gone >lock/beat
  # Nobody takes the lock for one that was left behind while this clears up.
  : >lock/lease
  # A change that is open is the guard's. Should that be killed as well, nobody else is there to end it.
  alone=0
  while [ -e pending.json ] && [ "$alone" -lt 20 ]; do
    if guarded; then alone=0; else alone=$((alone + 1)); fi
    sleep 1
    mine && read -r now <lock/beat && [ "$now" = gone ] || return 0
  done
  if [ ! -e pending.json ]; then
    # It waits for the runner a little, and clears up.
    if guarded; then return 0; fi
    if read -r shell began <lock/session; then hd_end_shell "$shell" "$began"; fi
  fi
  # Or begun at the last moment, or ended by a guard that did not live to clear up.
  if [ -e pending.json ] || [ -e work/verdict ]; then /bin/sh work/settle.sh; return; fi
  for left in work work.done.* releases/*; do
    [ ! -e "$left/record.json" ] && mine || continue
    rm -rf "$left" || { sleep 1; rm -rf "$left"; }
  done
  mine || return 0
  mv lock "lock.gone.$token" && rm -rf "lock.gone.$token"
}
# Where a machine is lost, nobody ends its connections.
listen() {
  cd "$state" || return 0
  quiet=0; heard=
  while sleep 1; do
    mine || return 0
    read -r now <lock/beat
    if [ "$now" != "$heard" ]; then heard=$now; quiet=0; else quiet=$((quiet + 1)); fi
    [ "$quiet" -ge "$silence" ] || continue
    last=$heard; gone
    kill -s KILL "$$"
    return
  done
}
last=; listener=
while read -r beat; do
  { echo "$beat" >"$state/lock/beat" && true >"$state/lock/lease"; } || break
  last=$beat
  [ -n "$listener" ] || { listen >/dev/null </dev/null & listener=$!; }
done
[ -z "$listener" ] || kill "$listener"
gone
`

/** A lease that begins with its first beat. */
export class Lease {
  readonly #pipe: Pipe
  #timer: NodeJS.Timeout | undefined

  private constructor(pipe: Pipe) {
    this.#pipe = pipe
  }

  static async open(host: Host, state: string, token: string): Promise<Lease> {
    const values = assign({ state, token, silence: silenceSeconds })
    const pipe = await host.pipe(`exec 2>/dev/null; ${values}${endScript}${renew}`)
    pipe.stdout.resume()
    pipe.stderr.resume()
    return new Lease(pipe)
  }

  /** `next` gives each beat its number, which no other connection of the run gives as well. */
  keep(next: () => number): void {
    const beat = () => this.#pipe.stdin.write(`${next()}\n`)
    beat()
    this.#timer = setInterval(beat, heartbeatMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#pipe.stdin.end()
  }

  close(): void {
    this.#pipe.close()
  }
}
