import { createHash } from 'node:crypto'
import { DeployError } from '../errors.ts'
import type { Facts } from '../remote/facts.ts'
import type { Host } from '../remote/host.ts'
import { type HostState, type ReleaseRecord, releaseId } from '../remote/state.ts'
import type { Target } from '../remote/target.ts'
import { chooseStrategy } from '../strategies/index.ts'
import { noScripts, type Strategy, type StrategyOptions } from '../strategies/strategy.ts'
import { compareTrees, wantedFromRelease } from '../sync/compare.ts'
import { readSource, type Source, type Staged, stage } from '../sync/index.ts'
import { patternOf } from '../sync/patterns.ts'
import type { Filters, Places } from '../sync/script.ts'
import type { Context } from './context.ts'
import { findRelease } from './find-release.ts'
import type { Known } from './fleet.ts'
import { withGiven } from './given-options.ts'
import type { Plan } from './plan.ts'
import { writeRelease } from './scripts.ts'

/** What a run wants to bring about: a new release from the runner, or one that the host still has. */
export interface Goal {
  readonly id: string
  readonly revision: string
  readonly strategy: Strategy
  readonly path: string
  readonly filters: Filters
  readonly tree: boolean
  readonly health: readonly string[]
  /** Lines of `backup`. */
  readonly backup: readonly string[]
  /** Two releases with the same one are the same. */
  readonly fingerprint: string
  readonly options: StrategyOptions
  /** Written when it was confirmed; a release of old has its record already. */
  readonly record: ReleaseRecord | undefined
  /** Shell that has to run before anything else concerns the release. */
  readonly begin: string
  /** Makes the tree complete on the host. */
  stage(host: Host, facts: Facts, places: Places, first: string): Promise<Staged>
}

const nothing: Staged = {
  need: [],
  added: [],
  changed: [],
  removed: [],
  counts: { added: 0, changed: 0, removed: 0, folders: 0 },
  drifted: [],
  bytesSent: 0,
  by: '',
}

/** Reads the source while the connection is being made (`read` is the end of that); the goal is known once the host is. */
export function newRelease(context: Context): ((member: Pick<Known, 'facts' | 'state' | 'target'>) => Promise<Goal>) & {
  read: Promise<Source | undefined>
} {
  const { plan, signal } = context
  const strategy = chooseStrategy(plan.strategy, plan.sync.source)
  const reading = plan.sync.method === 'none' ? undefined : readSource(plan.sync, signal)
  reading?.catch(() => {})
  // The same on every host.
  const at = new Date()
  const goal = async ({ facts, state, target }: Pick<Known, 'facts' | 'state' | 'target'>): Promise<Goal> => {
    const source = await reading
    const id = releaseId(at, plan.sync.commit, state)
    const { exclude, commit: revision } = plan.sync
    const data = strategy.protects?.(plan.options, plan.sync.source) ?? []
    const protect = [...plan.sync.protect, ...data, ...managedIn(facts.path.absolute, plan)]
    const { actor, ref, url } = plan.run
    const options = optionsOn(context, target)
    const [path, tree] = [facts.path.absolute, source !== undefined]
    const health = plan.health.checks.length > 0 ? plan.health.checks : strategy.checks(options)
    const { backup } = plan
    const record: ReleaseRecord = {
      schema: 1,
      id,
      at: at.toISOString(),
      name: plan.name,
      strategy: strategy.name,
      revision,
      ref,
      actor,
      run: url,
      path,
      exclude,
      protect,
      synced: tree,
      health,
      backup,
      options,
      fingerprint: fingerprint(plan, options, strategy, source),
    }
    return {
      id,
      revision,
      strategy,
      path,
      filters: { exclude, protect },
      tree,
      health,
      backup,
      options,
      record,
      fingerprint: record.fingerprint,
      begin: writeRelease(`${facts.state}/releases/${id}`, plan.scripts, plan.files, plan.secrets),
      stage: async (host, hostFacts, places, first) =>
        source === undefined
          ? nothing
          : await stage(host, hostFacts, places, { ...plan.sync, protect, path: facts.path.absolute }, source, {
              temp: plan.run.temp,
              first,
              signal,
              onProgress: context.progress,
            }),
    }
  }
  return Object.assign(goal, { read: Promise.resolve(reading) })
}

/** What is built may be another system on each host. */
function optionsOn({ plan, colmena }: Context, target: Target): StrategyOptions {
  return colmena === undefined ? plan.options : { ...plan.options, colmena: colmena.optionsFor(target) }
}

/** The release that runs, with its env file, its secret files and its keys written anew, and nothing else. */
export function keysOnly(context: Context): (member: Known) => Goal {
  return ({ facts, state, target }) => {
    if (state.current === '') {
      throw new DeployError('HD-ROLL-02', 'There is no release yet whose keys could be uploaded.', {
        why: `The host knows nothing of ${context.plan.name}.`,
        fix: 'Deploy first; check `name` if you did.',
      })
    }
    const goal = goalOf({ ...context.plan, to: state.current }, facts, state)
    const { colmena } = context
    const options = colmena === undefined ? goal.options : { ...goal.options, colmena: colmena.optionsFor(target) }
    const compile = () => goal.strategy.keysOnly?.(options) ?? noScripts
    return {
      ...goal,
      options,
      tree: false,
      backup: [],
      strategy: { ...goal.strategy, compile },
      stage: async () => nothing,
    }
  }
}

/** The env file and the secret files in the tree: ours to write, so no file that the source lacks, and no edit. */
function managedIn(path: string, { files }: Plan): string[] {
  const inside = files.map((file) => (file.path.startsWith(`${path}/`) ? file.path.slice(path.length + 1) : file.path))
  return inside.filter((file) => !file.startsWith('/')).map(patternOf)
}

/** The release that `to` names, among those the host has. */
export function oldRelease({ plan }: Pick<Context, 'plan'>): (member: Pick<Known, 'facts' | 'state'>) => Goal {
  return ({ facts, state }) => goalOf(plan, facts, state)
}

function goalOf(plan: Plan, facts: Facts, state: HostState): Goal {
  const record = findRelease(state, plan.to)
  const { exclude, protect, synced } = record
  const backup = plan.given.has('backup') ? plan.backup : record.backup
  if (plan.safety.rollback === 'data' && backup.length === 0) {
    throw new DeployError('HD-DATA-06', `The release ${record.id} says nothing of data to bring back.`, {
      why: 'It was deployed without `backup`.',
      fix: 'Go back without `rollback: data`, or say in `backup` what the data is.',
    })
  }
  return {
    id: record.id,
    revision: record.revision,
    strategy: chooseStrategy(record.strategy, ''),
    path: plan.given.has('path') ? facts.path.absolute : record.path,
    filters: { exclude, protect },
    tree: synced,
    record: undefined,
    // Commands and files that are given win over those of the release, and are its own from now on.
    begin: writeRelease(`${facts.state}/releases/${record.id}`, plan.scripts, plan.files, plan.secrets),
    health: plan.given.has('health') ? plan.health.checks : record.health,
    options: withGiven(record.options as StrategyOptions, plan),
    backup,
    fingerprint: record.fingerprint,
    stage: async (host, _facts, places, first) => {
      if (!synced) return nothing
      const difference = await compareTrees(
        host,
        places,
        { exclude, protect, deleteLimit: plan.sync.deleteLimit },
        wantedFromRelease,
        first,
      )
      return { ...difference, bytesSent: 0, by: '' }
    },
  }
}

function fingerprint(plan: Plan, options: StrategyOptions, { name }: Strategy, source: Source | undefined): string {
  const digest = createHash('sha256')
  const parts = [
    name,
    plan.sync.path,
    JSON.stringify(plan.scripts),
    JSON.stringify(options),
    ...[...plan.files, ...(plan.hive?.files ?? [])].flatMap(({ path, base64 }) => [path, base64.reveal()]),
  ]
  if (source?.method === 'commit') parts.push(source.commit.sha)
  for (const part of parts) digest.update(`${part.length}:${part}`)
  if (source?.method === 'tree') for (const { line } of source.entries) digest.update(`${line}\n`)
  return digest.digest('hex')
}
