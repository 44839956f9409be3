import { DeployError } from '../errors.ts'
import type { HostState, ReleaseRecord } from '../remote/state.ts'

/** By its id, a commit, the digest of an image it runs, or the number of its generation; nothing means the one before what runs. */
export function findRelease(state: HostState, to: string): ReleaseRecord {
  const { releases, current, digests = [], generations = [] } = state
  if (to === '') {
    const running = releases.findIndex(({ id }) => id === current)
    return releases[running < 0 ? 0 : running + 1] ?? refuse(state, to)
  }
  const image = /sha256:.*$/.exec(to)?.[0]
  const runsImage = (id: string) => image !== undefined && digests.some((line) => line.startsWith(`${id} ${image}`))
  return (
    releases.find(({ id }) => id === to || generations.includes(`${id} ${to}`)) ??
    releases.find(({ id, revision }) => revision.startsWith(to) || id.startsWith(to) || runsImage(id)) ??
    refuse(state, to)
  )
}

function refuse(state: HostState, to: string): never {
  const what = to === '' ? 'There is no earlier release to go back to.' : `No release on the host matches ${to}.`
  if (state.releases.length === 0) {
    throw new DeployError('HD-ROLL-02', what, {
      why: 'The host has no release of this application yet.',
      fix: 'Deploy first; check `name` if you did.',
    })
  }
  throw new DeployError('HD-ROLL-02', what, {
    why: 'Only the newest releases are kept (`keep`).',
    fix: `Set \`to\` to one of these:\n${list(state)}`,
  })
}

function list({ releases, current, generations = [] }: HostState): string {
  const lines = releases.map(({ id, at, revision }) => {
    const generation = generations.find((line) => line.startsWith(`${id} `))?.slice(id.length + 1)
    const rest = [generation && `generation ${generation}`, id === current && '(runs now)'].filter(Boolean)
    return ['', id, at, revision.slice(0, 12), ...rest].join('  ')
  })
  return lines.join('\n')
}
