import { runTool } from '../runner/exec.ts'

/**
 * How a commit stands to the one that runs. `unknown` means that the checkout holds too little of the history to tell;
 * `unasked` that there is nobody to ask: no git, no checkout, or one of another repository.
 */
export type Descent = 'descends' | 'older' | 'elsewhere' | 'unknown' | 'unasked'

/** Asks the repository that `source` lies in. Nothing is fetched: what a job may read is for its workflow to say. */
export async function descent(source: string, commit: string, running: string): Promise<Descent> {
  const git = async (...args: string[]) => {
    try {
      return await runTool('git', ['-c', 'safe.directory=*', ...args], { cwd: source })
    } catch {
      return { code: 127, stdout: '', stderr: '' }
    }
  }
  const has = async (sha: string) => (await git('cat-file', '-e', `${sha}^{commit}`)).code === 0
  const leadsTo = async (old: string, young: string) =>
    (await git('merge-base', '--is-ancestor', old, young)).code === 0

  if (commit === running) return 'descends'
  if (!isCommit(commit) || !isCommit(running) || !(await has(commit))) return 'unasked'
  const whole = (await git('rev-parse', '--is-shallow-repository')).stdout.trim() === 'false'
  // In a whole clone each ancestor of the commit is there: one that is not is none.
  if (!(await has(running))) return whole ? 'elsewhere' : 'unknown'
  if (await leadsTo(running, commit)) return 'descends'
  if (await leadsTo(commit, running)) return 'older'
  // A runner that keeps its folder may have both, and nothing of what lies between.
  return whole ? 'elsewhere' : 'unknown'
}

const isCommit = (text: string) => /^([\da-f]{40}|[\da-f]{64})$/.test(text)
