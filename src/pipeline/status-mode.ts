import { DeployError } from '../errors.ts'
import type { Result } from '../report/report.ts'
import type { Context } from './context.ts'
import { driftOf, runningGoal } from './drift.ts'
import { asOne, Findings } from './findings.ts'
import { checkRunning, describe } from './health.ts'
import { enterHive } from './hive.ts'
import { enterNetwork } from './network.ts'
import { reach } from './reach.ts'
import { lookAround } from './standing.ts'
import { statusRecord } from './status-record.ts'

/** What runs, whether it is what was deployed, and how it is. Nothing is taken, and nothing changed. */
export async function statusMode(outside: Context): Promise<Result> {
  const { recorder, plan } = outside
  await using open = new AsyncDisposableStack()
  const findings = new Findings()

  const context = await enterNetwork(await enterHive(outside, open), open)
  // Who only reads need not be able to write there.
  const reached = await reach(context, open, { all: findings.all, refuse: () => {} })
  const known = await lookAround(context, reached, findings)
  const running = await findings.each(known, (member) => runningGoal(context, member, open))
  const compared = await findings.all(context, 'Compare with what was deployed', running, (member, note) =>
    driftOf(member, note),
  )
  const checked = await findings.all(context, 'Check health', compared, async (member, note) => {
    const watched = await checkRunning(context, member)
    const bad = watched.filter(({ state }) => state !== 'healthy')
    note(watched.length === 0 ? 'no checks' : `${watched.length - bad.length} of ${watched.length} healthy`)
    return { ...member, bad }
  })

  const unseen = findings.every
  for (const member of known) {
    const seen = checked.find(({ record }) => record === member.record)
    member.record.status = statusRecord(member, seen?.drift ?? [], seen?.running ?? [])
    member.record.result = seen === undefined ? 'failed' : 'healthy'
  }
  for (const [record] of unseen) record.result = 'failed'
  for (const { record, bad, drift, host } of checked) {
    if (bad.length > 0) findings.add(record, ill(host.name, bad.map(describe)))
    const differs =
      drift.length === 0
        ? undefined
        : drifted(
            host.name,
            drift.map(({ text }) => text),
          )
    if (differs !== undefined && plan.safety.failOnDrift) findings.add(record, differs)
    else if (differs !== undefined) context.log.warning(`${differs.what} ${differs.why}`)
    if (findings.of(record).length > 0) record.result = 'unhealthy'
  }
  const wrong = asOne(findings.every, (count) => `${count} things are not as they should be.`)
  if (wrong !== undefined) recorder.fail(wrong, '')
  if (unseen.length > 0) return 'failed'
  return wrong === undefined ? 'healthy' : 'unhealthy'
}

function ill(host: string, seen: readonly string[]): DeployError {
  return new DeployError('HD-STATUS-01', `What runs on ${host} is not healthy.`, {
    why: seen.join('; '),
    fix: 'Look at its logs on the host; `mode: rollback` goes back to one of the releases in the summary.',
  })
}

function drifted(host: string, texts: readonly string[]): DeployError {
  const more = texts.length > 5 ? `, and ${texts.length - 5} more` : ''
  return new DeployError('HD-STATUS-02', `What runs on ${host} is not what was deployed.`, {
    why: `${texts.slice(0, 5).join('; ')}${more}.`,
    fix: 'Deploy again to put it back (`force: true` if nothing else changed). What has to stay belongs into the repository, or into `protect`.',
  })
}
