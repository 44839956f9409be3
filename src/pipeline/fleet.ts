import type { Guard, Link } from '../guard/guard.ts'
import type { Transaction } from '../guard/transaction.ts'
import type { Facts } from '../remote/facts.ts'
import type { Host } from '../remote/host.ts'
import type { Lock } from '../remote/lock.ts'
import type { SshHost } from '../remote/ssh-host.ts'
import type { HostState } from '../remote/state.ts'
import type { Target } from '../remote/target.ts'
import type { MachineRecord } from '../report/recorder.ts'
import type { Staged } from '../sync/index.ts'
import type { Context } from './context.ts'
import type { Goal } from './goal.ts'
import type { Vitals } from './health.ts'
import type { Change } from './scripts.ts'

/** One host of a run. What is known of it grows with the story: each step takes the one and gives the next. */
export interface Reached {
  readonly target: Target
  /** The first connection. */
  readonly host: SshHost
  /** The connection at hand, over which everything is done. */
  readonly link: Link
  readonly facts: Facts
  readonly record: MachineRecord
}

export interface Known extends Reached {
  readonly state: HostState
}

export interface Locked extends Known {
  readonly lock: Lock
}

/** Of which is known what it is to run, or for `status` what it should. */
export interface Aimed extends Known {
  readonly goal: Goal
  readonly change: Change
}

export interface Planned extends Locked, Aimed {
  readonly guard: Guard
}

export interface Staging extends Planned {
  readonly staged: Staged
  readonly vitals: Vitals
}

export interface Begun extends Staging {
  readonly transaction: Transaction
  /** Shell that has to run before the next phase can: what begins the change, later what opens its gate. */
  arm: string
  /** The connection, of after the change, that will carry the confirmation. */
  confirming?: Promise<Host>
}

/** Does it on all hosts at once, waits for all of them, and only then throws the first thing that went wrong. */
export async function each<M, R>(members: readonly M[], work: (member: M) => Promise<R>): Promise<R[]> {
  const ends = await Promise.allSettled(members.map(work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
}

type Note = (text: string) => void

/** One step of the story on all hosts at once. With several of them, what is noted says of which. */
export async function onAll<M extends { readonly record: MachineRecord }, R>(
  { step }: Context,
  name: string,
  members: readonly M[],
  work: (member: M, note: Note) => Promise<R>,
): Promise<R[]> {
  return await step(name, async ({ note }) => {
    const [only] = members
    if (members.length === 1 && only !== undefined) return [await work(only, note)]
    const notes = new Map<string, string>()
    try {
      return await each(members, (member) => work(member, (text) => notes.set(member.record.host, text)))
    } finally {
      note(together(notes))
    }
  })
}

/** What all of them say is said once. */
function together(notes: ReadonlyMap<string, string>): string {
  const texts = new Set(notes.values())
  if (texts.size === 1) return `${[...texts][0]} (all ${notes.size})`.replace(/^ \(.*/, '')
  return [...notes].map(([host, text]) => `${host}: ${text}`).join('; ')
}
