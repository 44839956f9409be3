import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** act runs workflows as GitHub does, without GitHub. */
const actVersion = 'v0.2.89'
/** Gitea's copy of it is what Gitea's runner runs jobs with; Forgejo's runner began as the same. */
const giteaVersion = 'v0.261.10'

// By a module of ours, because this copy still calls itself by the name of the original.
const build = `cd "$1"
export GOFLAGS=-buildvcs=false
GOBIN="$1" go install github.com/nektos/act@${actVersion}
mkdir module && cd module
printf 'module runners\\ngo 1.26\\nrequire github.com/nektos/act ${actVersion}\\nreplace github.com/nektos/act => gitea.com/gitea/act ${giteaVersion}\\n' > go.mod
go build -mod=mod -o "$1/gitea" github.com/nektos/act
cd "$1" && rm -r module
`

const kept = join(homedir(), '.cache', 'homelab-deploy')
const folder = join(kept, `runners-${actVersion}-${giteaVersion}`)

export type RunnerName = 'act' | 'gitea'
export const runnerNames: readonly RunnerName[] = ['act', 'gitea']
export const serverOf = (name: RunnerName) => (name === 'act' ? 'github.com' : 'git.example.org')
export const programOf = (name: RunnerName) => join(folder, name)

/** Built from source once, which takes some minutes and needs Go; whole or not at all. */
export function buildRunners(): void {
  if (existsSync(folder)) return
  console.log('Building act and the engine of Gitea’s runner, once: some minutes, with Go…')
  mkdirSync(kept, { recursive: true })
  const part = mkdtempSync(join(kept, 'part-'))
  try {
    execFileSync('sh', ['-euc', build, 'sh', part], { stdio: 'inherit' })
    renameSync(part, folder)
  } catch (error) {
    rmSync(part, { recursive: true, force: true })
    throw error
  }
}
