import type { Log } from '../log.ts'
import type { Network } from '../remote/network.ts'
import type { Address } from '../remote/target.ts'
import type { Recorder, StepNote } from '../report/recorder.ts'
import type { Colmena } from './colmena.ts'
import type { Plan } from './plan.ts'
import type { Written } from './runner-secrets.ts'

/** What only the runner can do for us. */
export interface Runner {
  /** Aborts, with Cancelled as its reason, when GitHub wants the step to end. */
  readonly signal: AbortSignal
  /** For `post`, should this process end before it is done: the release that a host is at, or none any more. */
  remember(host: string, id: string): void
  /** Likewise: where our own daemon in a tailnet lives. */
  rememberTailnet(folder: string): void
  /** Likewise: the hosts, where only the hive knew them. */
  rememberTargets(addresses: readonly Address[]): void
  /** Likewise: the secret files on the runner. */
  rememberSecrets(written: Written): void
  /** The token by which GitHub says to others who this job is. */
  idToken(audience: string): Promise<string>
}

/** What every part of a run can see. */
export interface Context extends Runner {
  readonly plan: Plan
  readonly log: Log
  readonly recorder: Recorder
  /** The way to the hosts. */
  readonly network: Network
  /** The hive, where the hosts come from one. */
  readonly colmena?: Colmena
  /** One sentence in the code, one log group, one row in the summary. */
  step<T>(name: string, work: (note: StepNote) => Promise<T>): Promise<T>
  /** Lines about something long, at a rate that a person can read. */
  progress(text: string): void
}
