/** What can go wrong with a host, and when. */
export type Mishap =
  /** The connection ends as if sshd died: FIN. */
  | 'drop'
  /** The connection ends as if a firewall forgot it: RST. */
  | 'reset'
  /** Nothing moves any more, TCP stays open. `host.thaw()` ends it. */
  | 'freeze'
  /** `drop`, and from now on the port is closed. `host.listen()` opens it. */
  | 'vanish'
  /** Every process of the host is killed and the port closed, as a power cut would. `host.listen()` boots it. */
  | 'power-cut'
  | ((command?: CommandRecord) => void)

export interface Fault {
  readonly do: Mishap
  /** Only commands whose text (the exec string, then what comes by stdin) matches. */
  readonly match?: RegExp
  /**
   * `input` (default): when the matching text arrives, before the process sees it (the exec string: before it runs).
   * `started`: after the matching text was handed over. `exit`: the process has ended and nobody was told yet.
   */
  readonly at?: 'input' | 'started' | 'exit'
  /** When the command's output so far matches; the output itself is still sent. Instead of `at`. */
  readonly output?: RegExp
  /** After so many bytes of the connection, both ways. Instead of the others. */
  readonly afterBytes?: number
  readonly delayMs?: number
  /** How often it happens; once unless told. */
  readonly times?: number
}

export interface CommandRecord {
  /** The exec string as sent: this is what `ps` on the host shows to everybody. */
  readonly command: string
  readonly user: string
  readonly connection: number
  /** What came by stdin and went out, the first MiB of each. */
  stdin: string
  stdout: string
  stderr: string
  pid?: number
  code?: number | null
  signal?: string | null
  readonly startedAt: number
  endedAt?: number
}

/** Keeps the planned faults and says which of them are due. All of it is synchronous: a fault is there at once. */
export class FaultPlan {
  #faults: { fault: Fault; left: number; fired: number }[] = []
  readonly #act: (mishap: Mishap, command?: CommandRecord) => void

  constructor(act: (mishap: Mishap, command?: CommandRecord) => void) {
    this.#act = act
  }

  /** The answer tells, at any time, how often it has happened: a test of a fault that never fired tests nothing. */
  add(fault: Fault): { readonly fired: number } {
    const planned = { fault, left: fault.times ?? 1, fired: 0 }
    this.#faults.push(planned)
    return planned
  }

  clear(): void {
    this.#faults = []
  }

  /** A match looks at the exec string and the standard input, because a script may come in either. */
  at(moment: 'input' | 'started' | 'exit', command: CommandRecord): boolean {
    return this.#fire(command, ({ output, afterBytes, at = 'input', match }) => {
      return output === undefined && afterBytes === undefined && at === moment && matches(match, command)
    })
  }

  output(command: CommandRecord): boolean {
    return this.#fire(command, ({ output, match }) => {
      return !!output?.test(`${command.stdout}\n${command.stderr}`) && matches(match, command)
    })
  }

  bytes(total: number): boolean {
    return this.#fire(undefined, ({ afterBytes }) => afterBytes !== undefined && total >= afterBytes)
  }

  #fire(command: CommandRecord | undefined, due: (fault: Fault) => boolean): boolean {
    const firing = this.#faults.filter(({ fault, left }) => left > 0 && due(fault))
    for (const planned of firing) {
      planned.left--
      planned.fired++
      const { delayMs, do: mishap } = planned.fault
      if (delayMs) setTimeout(() => this.#act(mishap, command), delayMs)
      else this.#act(mishap, command)
    }
    return firing.length > 0
  }
}

function matches(pattern: RegExp | undefined, { command, stdin }: CommandRecord): boolean {
  return !pattern || pattern.test(`${command}\n${stdin}`)
}
