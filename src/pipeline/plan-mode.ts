import type { Result } from '../report/report.ts'
import { subjectOf } from '../sync/commits.ts'
import type { Context } from './context.ts'
import { refuseDowngrade } from './downgrade.ts'
import { asOne, Findings } from './findings.ts'
import { compareOnly, foresee, goalFor } from './foresee.ts'
import { newRelease } from './goal.ts'
import { baseline } from './health.ts'
import { enterHive } from './hive.ts'
import { enterNetwork } from './network.ts'
import { lookOnRunner } from './on-runner.ts'
import { nothingKnown, obstaclesOf, planRecord } from './plan-record.ts'
import { lackingTools } from './preflight.ts'
import { reach } from './reach.ts'
import { requireRelease } from './require-release.ts'
import { lookAround } from './standing.ts'
import { verifyImages } from './verify.ts'

/**
 * All that a deploy would do, and all that would stop it, in the order of a deploy. Nothing is taken, and nothing on a
 * disk of the host is written: what has to be looked at as files lies in its memory meanwhile.
 */
export async function planMode(outside: Context): Promise<Result> {
  await using open = new AsyncDisposableStack()
  const inside = await enterHive(outside, open)
  const reading = newRelease(inside)
  const findings = new Findings()

  const context = await enterNetwork(inside, open)
  const reached = await reach(context, open, {
    all: findings.all,
    refuse: (record, problem) => findings.add(record, problem),
  })
  // Without the source there is nothing to compare with.
  const source = await reading.read
  const known = await lookAround(context, reached, findings)
  const aimed = await findings.each(known, (member) => goalFor(context, member, reading, open))

  for (const member of aimed) findings.add(member.record, ...(await lackingTools(context.plan, member)))
  // The same for all hosts, so that the first stands for them.
  const [canary] = aimed
  if (canary !== undefined) {
    await findings.noting(canary.record, () => verifyImages(context))
    await findings.noting(canary.record, () => refuseDowngrade(context, aimed))
    await findings.noting(canary.record, () => requireRelease(context))
  }
  const compared = await findings.all(context, 'Compare files', aimed, (member, note) =>
    compareOnly(context, member, source, findings, note),
  )
  const built = await lookOnRunner(context, compared, findings)
  const foreseen = await findings.all(context, 'Look ahead', compared, (member, note) =>
    foresee(context, member, built.get(member.record) ?? [], findings, note),
  )
  const looked = await baseline(context, foreseen, findings.all)
  // A look that was begun is not ended half-way; whoever cancelled it wants no more of it.
  context.signal.throwIfAborted()

  for (const member of looked) {
    member.record.plan = await planRecord(context, member, findings.of(member.record))
    member.record.health = member.vitals.before
  }
  return await conclude(context, findings)
}

async function conclude({ plan, recorder }: Context, findings: Findings): Promise<Result> {
  const { source, commit: revision } = plan.sync
  const subject = await subjectOf(source, revision)
  for (const machine of recorder.machines) {
    const obstacles = obstaclesOf(findings.of(machine))
    machine.after = { id: '', revision, ...(subject && { subject }) }
    // Of a host that could not be seen, what is in the way is all there is to tell.
    machine.plan ??= { ...nothingKnown, host: machine.host, obstacles }
    machine.result = obstacles.length > 0 ? 'failed' : 'planned'
  }
  const inTheWay = asOne(findings.every, (count) => `${count} things are in the way of this deploy.`)
  if (inTheWay === undefined) return 'planned'
  recorder.fail(inTheWay, '')
  return 'failed'
}
