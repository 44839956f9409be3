import type { Code } from '../codes.ts'
import { DeployError } from '../errors.ts'
import { howToInstall } from '../remote/packages.ts'
import { runTool } from '../runner/exec.ts'
import type { Tool } from '../strategies/strategy.ts'
import type { SyncMethod } from '../sync/options.ts'
import type { Context } from './context.ts'
import { type Aimed, onAll } from './fleet.ts'
import type { Plan } from './plan.ts'
import { envNames, head } from './scripts.ts'

/** The tools that a deploy cannot do without, on the host and on the runner, before anything is sent. */
export async function checkTools({ log, plan }: Context, member: Aimed): Promise<void> {
  for (const problem of await lackingTools(plan, member)) {
    // What is needed to go back is kept on the host, so that it may do without.
    if (member.goal.record !== undefined) throw problem
    log.warning(`${problem.message} ${problem.fix}`)
  }
}

const otherwise = 'Install it, or use `sync: auto`, which needs nothing but tar.'
/** What the ways of sending need at both ends. */
const senders: Readonly<Partial<Record<SyncMethod, string>>> = { rsync: 'rsync', git: 'git' }

export async function lackingTools({ sync }: Plan, { goal, facts, link }: Aimed): Promise<DeployError[]> {
  const sender = goal.record === undefined || !goal.tree ? undefined : senders[sync.method]
  const needs: Tool[] = (['host', 'runner'] as const).flatMap((on) =>
    sender ? [{ name: sender, on, hint: otherwise }] : [],
  )
  const problems = [...goal.strategy.needs, ...needs].map(async (tool) => {
    if (tool.on === 'runner') return wrongWith(tool, (await onRunner(tool.name))?.version, 'the runner')
    const hint = howToInstall(tool.name, facts, tool.hint)
    return wrongWith({ ...tool, hint }, facts.tools[tool.name]?.version, link.host.name)
  })
  return (await Promise.all(problems)).filter((problem) => problem !== undefined)
}

function wrongWith({ name, hint, least }: Tool, version: string | undefined, where: string): DeployError | undefined {
  if (version === undefined) {
    return new DeployError('HD-PATH-01', `${name} is missing on ${where}.`, {
      why: 'It was searched on the PATH of the login, and where it is usually installed.',
      fix: hint,
    })
  }
  if (least === undefined || version === '' || !older(version, least)) return undefined
  return new DeployError('HD-TOOL-01', `${name} ${version} on ${where} is too old.`, {
    why: `${least} is the oldest that will do.`,
    fix: `Update it. ${hint}`,
  })
}

export function older(version: string, least: string): boolean {
  const [is, wanted] = [version, least].map((text) => text.split('.').map(Number))
  const at = wanted?.findIndex((part, index) => part !== (is?.[index] ?? 0)) ?? -1
  return at >= 0 && (is?.[at] ?? 0) < (wanted?.[at] ?? 0)
}

async function onRunner(name: string): Promise<{ version: string } | undefined> {
  const script = 'command -v "$0" >/dev/null || exit 127; "$0" --version 2>&1 </dev/null'
  const { code, stdout } = await runTool('/bin/sh', ['-c', script, name])
  return code === 127 ? undefined : { version: /\d+(\.\d+)+/.exec(stdout)?.[0] ?? '' }
}

/** What would be in the way of the change, as the strategy sees it, now that the new tree lies on the host. */
export async function lookAhead(context: Context, members: readonly Aimed[]): Promise<void> {
  const env = context.plan.files.some(({ names }) => names !== undefined)
  const looking = members.filter(({ change }) => env || change.strategy.preflight !== '')
  if (looking.length === 0) return
  const heard = new Map<string, string[]>()
  try {
    await onAll(context, 'Look ahead', looking, async ({ link, change }, note) => {
      const { code, text, tail } = await link.host.run(`${head(change)}\n${envNames}\n${change.strategy.preflight}`, {
        label: 'Looking ahead',
        quiet: true,
        timeoutMs: 120_000,
      })
      const { warnings, env, notes, refused } = readAhead(text)
      for (const warning of warnings) heard.set(warning, [...(heard.get(warning) ?? []), link.host.name])
      note([...describeEnv(env), ...notes].join('; '))
      if (refused[0] !== undefined) throw together(refused[0], refused.slice(1), link.host.name)
      if (code !== 0) throw notSeen(link.host.name, tail)
    })
  } finally {
    // Once for all hosts that say the same: GitHub shows ten warnings a step.
    for (const [warning, hosts] of heard) context.log.warning(`${hosts.join(', ')}: ${warning}`)
  }
}

export function notSeen(host: string, tail: string): DeployError {
  return new DeployError('HD-SSH-07', `${host} could not be looked at.`, {
    why: tail.trim().split('\n').at(-1) ?? '',
    fix: 'The last lines of its output are in the log.',
    detail: tail,
  })
}

/** What `preflight` and its like said, by the first word of each line. */
export function readAhead(text: string) {
  const said = (word: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
  return {
    said,
    warnings: said('warn'),
    env: said('env'),
    notes: said('note'),
    refused: said('refuse').map(readRefusal),
  }
}

/** Names only: what the values are is nobody's business here. */
function describeEnv(lines: readonly string[]): string[] {
  const names = (sign: string) => lines.flatMap((line) => (line.startsWith(`${sign} `) ? [line.slice(2)] : []))
  const parts = [
    ['new in', names('+')],
    ['gone from', names('-')],
  ] as const
  return parts.flatMap(([word, found]) => (found.length === 0 ? [] : [`${word} the env file: ${found.join(', ')}`]))
}

export interface Refusal {
  readonly code: string
  readonly what: string
  readonly why: string
  readonly fix: string
}

function readRefusal(line: string): Refusal {
  const [code = '', what = '', why = '', fix = ''] = line.split('\t').map((part) => part.replaceAll('\\n', '\n'))
  return { code, what, why, fix }
}

/** Several refusals as the one error that a deploy ends with. */
export function together({ code, what, why, fix }: Refusal, others: readonly Refusal[], host: string): DeployError {
  return new DeployError(code as Code, `${host}: ${what}`, {
    why: [why, ...others.map((other) => `Besides: ${other.what} ${other.why}`)].join(' '),
    fix: [...new Set([fix, ...others.map((other) => other.fix)])].join('\n'),
  })
}
