import { Deadline, sleep } from '../clock.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Answer, Host } from '../remote/host.ts'
import { assign } from '../shell.ts'
import { collect, decide, follow, hold, verdictScript } from './questions.ts'
import type { Phase } from './transaction.ts'

/** The last word on a transaction, as the host wrote it. */
export interface Verdict {
  /** `untouched`: it ended before the first change. `left`: it is not to be taken back. */
  readonly end: 'confirmed' | 'rolled-back' | 'rollback-failed' | 'left' | 'untouched'
  /** Who decided: `refused` (the runner), `failed` (a phase), `expired` (nobody came). */
  readonly why: string
  /** What the host had to tell when it confirmed. */
  readonly said?: string
}

/** The verdict where there is one already; `none` when there is no change to decide on. */
export type Vote = Verdict | 'none' | undefined

/** What was seen of a phase. */
export interface Seen {
  readonly code?: number
  readonly verdict?: Verdict
  /** The host ended it, because its time was over. */
  readonly expired: boolean
  /** Whether what came with it began the change; otherwise nothing was changed, and `output` says why. */
  readonly armed: boolean
  readonly output: string
}

export interface GuardContext {
  readonly log: Log
  readonly signal?: AbortSignal | undefined
  /** A new connection to the same host. */
  readonly connect: () => Promise<Host>
  /** Told when the connection at hand was lost and another took its place. */
  readonly onReconnect: (host: Host) => Promise<void>
  /** How long a host may be away before the runner stops asking. */
  readonly patienceMs: number
}

/** The connection at hand: another takes its place when it is lost. */
export interface Link {
  host: Host
  /** Those that were made later, to be closed when nobody needs them any more. */
  readonly others: AsyncDisposableStack
}

/** The runner's side of the guard: it watches, and has one vote. The host carries on without it. */
export class Guard {
  readonly #state: string
  readonly #id: string
  readonly #context: GuardContext
  readonly #link: Link

  constructor(link: Link, state: string, id: string, context: GuardContext) {
    this.#link = link
    this.#state = state
    this.#id = id
    this.#context = context
  }

  /** Shows the output of a phase until it ended. The verdict comes instead when the change was ended before. */
  async phase(name: Phase, arm = ''): Promise<Seen> {
    return await this.#follow(name, false, arm)
  }

  /** Waits for the last word. */
  async verdict(): Promise<Verdict> {
    const { verdict } = await this.#follow('', true)
    if (verdict === undefined) throw new ConnectionLost(`${this.#link.host.name} has not said how the deploy ended.`)
    return verdict
  }

  /** Casts the vote. Whether it counted, the verdict says, when it is there already. */
  async decide(decision: 'confirmed' | 'refused', { code = '', over = this.#link.host } = {}): Promise<Vote> {
    const options = { label: 'Deciding', quiet: true, timeoutMs: 300_000, evenIfCancelled: true }
    const { text } = await over.run(decide(this.#state, this.#id, decision, code), options)
    return /^none$/m.test(text) ? 'none' : parse(text).verdict
  }

  /** The host is healthy: from now on no deadline ends its change, as long as the runner is there. Or how it ended. */
  async hold(over: Host): Promise<Verdict | undefined> {
    const { text } = await over.run(hold(this.#state, this.#id), { label: 'Holding', quiet: true, timeoutMs: 60_000 })
    return /^held$/m.test(text) ? undefined : (parse(text).verdict ?? (await this.verdict()))
  }

  /** The logs of the time when it failed, and at the end what the way back said; afterwards nothing is left to be told. */
  async evidence(): Promise<Answer> {
    const values = assign({ state: this.#state, work: `${this.#state}/work`, id: this.#id })
    const options = { label: 'Collecting', quiet: true, timeoutMs: 60_000, evenIfCancelled: true }
    return await this.#link.host.run(`${values}${collect}`, options)
  }

  /** A connection that begins now: one that is open already may live on while no new one gets through. */
  fresh(): Promise<Host> {
    const connecting = this.#context.connect().then((host) => this.#link.others.use(host))
    // Whoever waits for it is told; when nobody does any more, it is no concern of anybody's.
    connecting.catch(() => {})
    return connecting
  }

  /** Another connection in the place of one that was lost. */
  async reconnect(): Promise<void> {
    await this.#reconnect(new Deadline(this.#patience), undefined)
  }

  /** A job that was cancelled has seconds left; the host takes the change back by itself. */
  get #patience(): number {
    return this.#context.signal?.aborted ? 3_000 : this.#context.patienceMs
  }

  async #follow(phase: Phase | '', evenIfCancelled: boolean, arm = ''): Promise<Seen> {
    const away = new Deadline(this.#patience)
    let shown = 0
    let first = arm
    for (;;) {
      if (!evenIfCancelled) this.#context.signal?.throwIfAborted()
      try {
        const script = `${first}\n${assign({ work: `${this.#state}/work`, offset: shown, phase })}${follow}`
        first = ''
        const onAnswer = (text: string) => {
          for (const [, offset] of text.matchAll(/^offset (\d+)$/gm)) shown = Number(offset)
        }
        const { code, text, tail } = await this.#link.host.run(script, {
          label: phase || 'Waiting for the verdict',
          onAnswer,
          evenIfCancelled,
        })
        const found = /^(dead|gone)$/m.test(text) ? await this.#settle() : parse(text)
        return {
          ...found,
          expired: /^expired$/m.test(text),
          armed: arm === '' || /^armed$/m.test(text) || code === 0,
          output: tail,
        }
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        if (away.passed) throw error
        this.#context.log.info('The connection was lost; the host goes on by itself. Connecting again…')
        await this.#reconnect(away, evenIfCancelled ? undefined : this.#context.signal)
      }
    }
  }

  async #reconnect(away: Deadline, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      try {
        this.#link.host = await this.fresh()
        return await this.#context.onReconnect(this.#link.host)
      } catch (error) {
        if (away.passed || !(error instanceof DeployError) || !/^HD-(NET|SSH-05)/.test(error.code)) throw error
        await sleep(1_000, signal)
      }
    }
  }

  /** The guard is gone: a reboot, a kill. What it left is decided and finished by the same rules. */
  async #settle(): Promise<{ verdict?: Verdict }> {
    this.#context.log.warning('The guard on the host is gone, so its deploy is settled now.')
    return await settle(this.#link.host, this.#state, this.#id)
  }
}

/** Data may have to be brought back, too. */
const settleTimeoutMs = 3 * 3_600_000

/** Ends a transaction that nobody ends any more, and says how it ended. */
export async function settle(host: Host, state: string, id: string): Promise<{ verdict?: Verdict }> {
  const script = `${assign({ work: `${state}/work`, state, id })}${verdictScript}
[ "$(cat "$work/id" 2>/dev/null)" != "$id" ] || [ ! -f "$work/settle.sh" ] || /bin/sh "$work/settle.sh"
say_verdict || :`
  const { text } = await host.run(script, { label: 'Settling', timeoutMs: settleTimeoutMs, evenIfCancelled: true })
  return parse(text)
}

function parse(text: string): { code?: number; verdict?: Verdict } {
  const code = /^code (\d+)$/m.exec(text)?.[1]
  const said = [...text.matchAll(/^homelab-deploy: .*$/gm)].join('\n')
  const [, end, why] = /^verdict (\S+) ?(\S*)$/m.exec(text) ?? []
  return {
    ...(code === undefined ? {} : { code: Number(code) }),
    ...(end === undefined
      ? {}
      : { verdict: { end: end as Verdict['end'], why: why ?? '', ...(said !== '' && { said }) } }),
  }
}
