import { DeployError } from '../errors.ts'
import type { Host } from '../remote/host.ts'
import { openTunnel } from '../remote/tunnel.ts'
import { runTool } from '../runner/exec.ts'
import { assign, sh } from '../shell.ts'
import { refuseHalf, transferFailed } from './compare.ts'
import type { Places } from './script.ts'

/** A commit that lies in a repository on the runner. */
export interface Commit {
  readonly top: string
  /** `source` inside the repository, with a final slash, or empty. */
  readonly prefix: string
  readonly sha: string
}

/** Finds the commit, and refuses what git could only deploy in part. */
export async function findCommit(source: string, sha: string): Promise<Commit> {
  const git = (...args: string[]) => runTool('git', ['-c', `safe.directory=${'*'}`, ...args], { cwd: source })
  const top = await git('rev-parse', '--show-toplevel', '--show-prefix')
  if (top.code !== 0) {
    throw new DeployError('HD-SYNC-06', `${source} is not a git checkout, which \`sync: git\` needs.`, {
      why: top.stderr.trim().split('\n')[0] ?? '',
      fix: 'Run actions/checkout before this step, or use `sync: auto`.',
    })
  }
  const [root = '', prefix = ''] = top.stdout.split('\n')
  const resolved = await git('rev-parse', '--verify', '--quiet', `${sha || 'HEAD'}^{commit}`)
  if (resolved.code !== 0) {
    throw new DeployError('HD-SYNC-06', `The commit ${sha} is not in the checkout at ${source}.`, {
      why: 'actions/checkout fetched another one, or only a part of the history.',
      fix: 'Let actions/checkout take its default `ref`, or set `fetch-depth: 0`.',
    })
  }
  const commit = resolved.stdout.trim()
  await refuseParts(
    commit,
    await git('ls-tree', '-r', commit, '--', '.'),
    await git('grep', '-l', '--fixed-strings', '-e', 'version https://git-lfs.github.com/spec/v1', commit, '--', '.'),
  )
  return { top: root, prefix, sha: commit }
}

async function refuseParts(commit: string, tree: { stdout: string }, lfs: { stdout: string }): Promise<void> {
  const modules = tree.stdout
    .split('\n')
    .filter((line) => line.startsWith('160000 '))
    .map((line) => line.split('\t')[1])
  const pointers = lfs.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.slice(commit.length + 1))
  if (modules.length + pointers.length === 0) return
  const what =
    modules.length > 0
      ? `the submodules ${modules.join(', ')}`
      : `the Git LFS content of ${pointers.slice(0, 5).join(', ')}`
  throw new DeployError('HD-SYNC-08', `The commit does not hold ${what}.`, {
    why: '`sync: git` sends commits, and this content lives elsewhere.',
    fix: 'Use `sync: auto`, with `submodules: recursive` or `lfs: true` for actions/checkout.',
  })
}

/** A bare repository in the state directory, which borrows what a clone at `path` already has. */
const receive = sh`
if [ ! -d "$repo" ]; then git init -q --bare "$repo.new" && mv "$repo.new" "$repo"; fi
objects=$(git -c safe.directory='*' -C "$path" rev-parse --git-path objects 2>/dev/null || :)
case $objects in '') ;; /*) printf '%s\n' "$objects" ;; *) printf '%s\n' "$path/$objects" ;; esac >"$repo/objects/info/alternates"
`

const checkout = sh`
mkdir -p "$tree"
export GIT_DIR="$repo" GIT_INDEX_FILE="$repo/homelab-deploy.index" GIT_WORK_TREE="$tree"
rm -f "$GIT_INDEX_FILE"
cd "$tree" && git -c core.autocrlf=false read-tree "$commit:$prefix" && umask 022 && git checkout-index -a -f
rm -f "$GIT_INDEX_FILE"
`

/** Pushes exactly the commit through the open connection and unpacks it as the tree of the release. Resolves with the bytes sent. */
export async function sendCommit(
  host: Host,
  places: Places,
  { top, prefix, sha }: Commit,
  { temp, signal, onProgress }: { temp: string; signal?: AbortSignal | undefined; onProgress: (text: string) => void },
): Promise<number> {
  const repo = `${places.state}/git`
  const values = assign({
    repo,
    path: places.path,
    tree: `${places.release}/tree`,
    commit: sha,
    prefix: prefix.replace(/\/$/, ''),
  })
  const made = await host.run(values + receive, { label: 'Preparing git', quiet: true })
  if (made.code !== 0) throw transferFailed(host, 'The host could not prepare its git repository.', made.tail)
  await using tunnel = await openTunnel(host, temp, signal)
  const { code, stderr } = await runTool(
    'git',
    [
      ...['-c', 'safe.directory=*', '-C', top, 'push', '--progress', '--force', '--no-verify'],
      // A checkout of GitHub's is shallow, and so is what it pushes.
      '--receive-pack=git -c receive.shallowUpdate=true -c gc.auto=0 receive-pack',
      ...[`host:${repo}`, `${sha}:refs/homelab-deploy/deployed`],
    ],
    {
      env: { GIT_SSH_COMMAND: tunnel.command, GIT_SSH_VARIANT: 'simple', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' },
      onErrorOutput: (text) => {
        const news = howFar(text)
        if (news !== undefined) onProgress(news.text)
      },
    },
  )
  refuseHalf(host, signal)
  // Of a line that was drawn over and over only the last state is news.
  const said = stderr.replace(/[^\n]*\r(?!\n)/g, '')
  if (code !== 0) throw transferFailed(host, 'git push failed.', `${said}\n${tunnel.errors().text}`.trim())
  const done = await host.run(values + checkout, { label: 'Unpacking the commit', quiet: true })
  if (done.code !== 0) throw transferFailed(host, 'The host could not unpack the commit.', done.tail)
  return howFar(said)?.bytes ?? 0
}

const units: Readonly<Record<string, number>> = { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** From what `--progress` says over and over on one line: `Writing objects:  45% (9/20), 1.20 MiB | 3.00 MiB/s`. */
export function howFar(text: string): { readonly text: string; readonly bytes: number } | undefined {
  const states = text.matchAll(
    /(Compressing|Writing) objects: +(\d+)% \((\d+)\/(\d+)\)(?:, ([\d.]+) (bytes|[KMG]iB))?/g,
  )
  const [, phase, percent, done, all, amount = '0', unit = 'bytes'] = [...states].at(-1) ?? []
  if (phase === undefined) return undefined
  const bytes = Math.round(Number(amount) * (units[unit] ?? 0))
  const size = bytes > 0 ? `, ${(bytes / 1e6).toFixed(1)} MB` : ''
  return {
    bytes,
    text: `${done} of ${all} objects ${phase === 'Writing' ? 'sent' : 'packed'}${size} by git (${percent} %)`,
  }
}
