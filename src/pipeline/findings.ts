import { Cancelled, DeployError, toDeployError } from '../errors.ts'
import type { MachineRecord } from '../report/recorder.ts'
import { each, onAll } from './fleet.ts'

/** For the modes that only look: what is wrong is collected, and stops neither the other hosts nor the other questions. */
export class Findings {
  readonly #found = new Map<MachineRecord, DeployError[]>()

  add(record: MachineRecord, ...problems: readonly (DeployError | undefined)[]): void {
    const known = problems.filter((problem) => problem !== undefined)
    this.#found.set(record, [...this.of(record), ...known])
  }

  of(record: MachineRecord): readonly DeployError[] {
    return this.#found.get(record) ?? []
  }

  /** Runs it; what it throws is one of the findings. */
  async noting<R>(record: MachineRecord, work: () => Promise<R>): Promise<R | undefined> {
    try {
      return await work()
    } catch (thrown) {
      if (thrown instanceof Cancelled) throw thrown
      this.add(record, toDeployError(thrown))
      return undefined
    }
  }

  /** The same work for all hosts; those where it fails are left out from there on. */
  async each<M extends { readonly record: MachineRecord }, R>(
    members: readonly M[],
    work: (member: M) => Promise<R>,
  ): Promise<R[]> {
    const ends = await each(members, (member) =>
      this.noting(member.record, async () => ({ value: await work(member) })),
    )
    return ends.flatMap((end) => (end === undefined ? [] : [end.value]))
  }

  /** One step on all hosts; those where it fails are left out from there on. */
  readonly all: typeof onAll = async (context, name, members, work) => {
    const ends = await onAll(context, name, members, async (member, note) => {
      const before = this.of(member.record).length
      const end = await this.noting(member.record, async () => ({ value: await work(member, note) }))
      if (end !== undefined) return [end.value]
      note(this.of(member.record)[before]?.what ?? '')
      return []
    })
    return ends.flat()
  }

  get every(): readonly (readonly [MachineRecord, readonly DeployError[]])[] {
    return [...this.#found].filter(([, problems]) => problems.length > 0)
  }
}

/** Several problems as the one that a run ends with. */
export function asOne(every: Findings['every'], what: (count: number) => string): DeployError | undefined {
  const severalHosts = every.length > 1
  const all = every.flatMap(([{ host }, problems]) =>
    problems.map((problem) => ({ problem, where: severalHosts ? `${host}: ` : '' })),
  )
  const [first] = all
  if (first === undefined || all.length === 1) return first?.problem
  return new DeployError('HD-PLAN-01', what(all.length), {
    why: all.map(({ problem, where }) => `- ${where}${problem.what} ${problem.why} (${problem.code})`).join('\n'),
    fix: [...new Set(all.map(({ problem }) => problem.fix))]
      .filter(Boolean)
      .map((fix) => `- ${fix}`)
      .join('\n'),
    detail: all
      .map(({ problem }) => problem.detail)
      .filter(Boolean)
      .join('\n'),
  })
}
