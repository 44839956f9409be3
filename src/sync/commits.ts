import { runTool } from '../runner/exec.ts'
import { descent } from './descent.ts'

export interface Commits {
  readonly commits: readonly { readonly revision: string; readonly subject: string }[]
  /** How many more, or why none can be told; empty where this is all. */
  readonly others: string
}

const shown = 20

/** The commits that come between what runs and what would, as far as the checkout on the runner holds them. */
export async function commitsBetween(source: string, running: string, commit: string): Promise<Commits> {
  if (running === '' || running === commit) return { commits: [], others: '' }
  const how = await descent(source, commit, running)
  if (how === 'unasked') return { commits: [], others: '' }
  if (how === 'unknown')
    return { commits: [], others: 'the checkout holds too little of the history to tell (`fetch-depth: 0`)' }
  const range = `${running}..${commit}`
  const git = (...args: string[]) => runTool('git', ['-c', 'safe.directory=*', ...args], { cwd: source })
  const { code, stdout } = await git('log', '--format=%H %s', `--max-count=${shown}`, range, '--', '.')
  if (code !== 0) return { commits: [], others: 'git could not list them' }
  const lines = stdout.split('\n').filter((line) => line !== '')
  const commits = lines.map((line) => ({
    revision: line.slice(0, line.indexOf(' ')),
    subject: line.slice(line.indexOf(' ') + 1),
  }))
  const total = Number((await git('rev-list', '--count', range, '--', '.')).stdout)
  return { commits, others: total > commits.length ? `${total - commits.length} more` : '' }
}

/** The first line of the message of a commit; empty where it cannot be told. */
export async function subjectOf(source: string, commit: string): Promise<string> {
  if (!/^[\da-f]{40,64}$/.test(commit)) return ''
  const asked = ['-c', 'safe.directory=*', 'log', '-1', '--format=%s', commit, '--']
  const { code, stdout } = await runTool('git', asked, { cwd: source }).catch(() => ({ code: 1, stdout: '' }))
  return code === 0 ? stdout.trim() : ''
}
