import { lookAtData } from '../data/index.ts'
import { DeployError } from '../errors.ts'
import { openScratch } from '../remote/scratch.ts'
import { runningRelease } from '../remote/state.ts'
import { sh } from '../shell.ts'
import { type Difference, lookAtTrees, wantedFromRunner } from '../sync/compare.ts'
import { lackOfSpace, type Source } from '../sync/index.ts'
import { drawPicture, filesOf, sendForALook, worthALook } from '../sync/picture.ts'
import { aim } from './begin.ts'
import type { Context } from './context.ts'
import type { Findings } from './findings.ts'
import type { Aimed } from './fleet.ts'
import type { newRelease } from './goal.ts'
import { notSeen, readAhead, together } from './preflight.ts'
import { envNames, head } from './scripts.ts'
import type { Seen } from './standing.ts'

/** A host of a plan, and what a deploy would bring it. */
export interface Planning extends Seen, Aimed {}

/** The goal as a deploy would have it, with all that it writes in memory. */
export async function goalFor(
  context: Context,
  member: Seen,
  reading: ReturnType<typeof newRelease>,
  open: AsyncDisposableStack,
): Promise<Planning> {
  const scratch = open.use(await openScratch(member.link.host))
  const facts = { ...member.facts, state: scratch.path }
  const goal = await reading({ facts, state: member.state, target: member.target })
  const change = aim(context, member, goal)
  const places = { ...change.places, release: `${scratch.path}/releases/${goal.id}`, work: `${scratch.path}/work` }
  return { ...member, goal, change: { ...change, places } }
}

export interface Compared extends Planning {
  readonly difference: Difference | undefined
  readonly bytes: number
  /** Files that were too large to be looked at. */
  readonly left: number
}

/** The comparison of a deploy, without its sending; then a picture of the new tree, for those who have to see its files. */
export async function compareOnly(
  context: Context,
  member: Planning,
  source: Source | undefined,
  findings: Findings,
  note: (text: string) => void,
): Promise<Compared> {
  const { plan, signal } = context
  const { goal, change, link, facts, record } = member
  const { host } = link
  if (source === undefined) {
    await host.run(`${goal.begin}mkdir -p "$release/../../work"`, { label: 'Looking at the release', quiet: true })
    note('nothing to send')
    return { ...member, difference: undefined, bytes: 0, left: 0 }
  }
  const { root, entries } = await filesOf(source, goal.filters, plan.run.temp)
  const filters = { ...goal.filters, deleteLimit: plan.sync.deleteLimit }
  const wanted = { ...wantedFromRunner(entries, filters), whenAllowed: '' }
  const { difference, obstacles } = await lookAtTrees(host, change.places, filters, wanted, goal.begin)
  const need = difference.need.flatMap((line) => entries[line - 1] ?? [])
  findings.add(record, ...obstacles, lackOfSpace(host, facts, need))
  const { sent, left } = worthALook(entries, difference, filters, goal.strategy.markers)
  if (change.strategy.preflight + change.strategy.foresee !== '')
    await sendForALook(host, change.places, root, sent, signal)
  const bytes = need.reduce((sum, { size }) => sum + size, 0)
  const { added, changed, removed } = difference.counts
  note(
    added + changed + removed === 0 ? 'no file differs' : `${added} to add, ${changed} to change, ${removed} to remove`,
  )
  return { ...member, difference, bytes, left }
}

export interface Foreseen extends Compared {
  readonly does: readonly string[]
  readonly interrupts: readonly string[]
  readonly env: { readonly added: readonly string[]; readonly removed: readonly string[] }
  readonly files: readonly string[]
  readonly notes: readonly string[]
}

/** Of the env and secret files, those that are not as they would be. */
const otherFiles = sh`
hd_file_other() { hd_file_same "$1" "$2" || printf 'file %s\n' "$2" >&3; }
hd_each_file hd_file_other
`

/** What the strategy sees in the way, and what it would do; `built` was found out on the runner. */
export async function foresee(
  context: Context,
  member: Compared,
  built: readonly string[],
  findings: Findings,
  note: (text: string) => void,
): Promise<Foreseen> {
  const { link, change, record, difference, left } = member
  const { preflight, foresee: ahead } = change.strategy
  const picture = difference === undefined || preflight + ahead === '' ? '' : drawPicture
  // Each by itself: where one ends early, the others still speak.
  const { path, backup: lines } = member.goal
  const data = lookAtData({ lines, path, restore: context.plan.safety.rollback === 'data' })
  const parts = [envNames, otherFiles, preflight, ahead, data].map((part) => `(\n:\n${part}\n)`)
  const answer = await link.host.run(`${head(change)}\n${picture}\n${parts.join('\n')}`, {
    label: 'Looking ahead',
    quiet: true,
    timeoutMs: 300_000,
  })
  const { code, tail } = answer
  const text = [...built, answer.text].join('\n')
  const { said, warnings, env, notes, refused } = readAhead(text)
  for (const warning of warnings) context.log.warning(`${link.host.name}: ${warning}`)
  findings.add(record, ...refused.map((refusal) => together(refusal, [], link.host.name)))
  if (code !== 0) {
    const { code: which, what, ...said } = member.goal.strategy.explain('foresee', tail) ?? {}
    findings.add(
      record,
      which && what ? new DeployError(which, what, { ...said, detail: tail }) : notSeen(link.host.name, tail),
    )
  }
  const names = (sign: string) => env.flatMap((line) => (line.startsWith(`${sign} `) ? [line.slice(2)] : []))
  const does = text.split('\n').filter((line) => /^[-+~] /.test(line))
  note(
    [...notes, does.length > 0 && `${does.length} to be done by ${member.goal.strategy.name}`]
      .filter(Boolean)
      .join('; '),
  )
  return {
    ...member,
    does,
    interrupts: [...new Set(said('down'))],
    env: { added: names('+'), removed: names('-') },
    files: said('file'),
    notes: [
      ...notes,
      ...(left > 0 ? [`${left} larger files were not looked at: what depends on them is checked by the deploy.`] : []),
    ],
  }
}

/** Whether a deploy would end as `unchanged`. */
export function isSame({ state, goal, difference, does, files }: Foreseen, ill: number): boolean {
  const running = runningRelease(state)
  const { added = 0, changed = 0, removed = 0, folders = 0 } = difference?.counts ?? {}
  if (added + changed + removed + folders + does.length + files.length + ill > 0) return false
  return running?.fingerprint === goal.fingerprint && running.revision === goal.revision
}
