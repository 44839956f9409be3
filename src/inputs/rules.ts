import { isAbsolute, resolve } from 'node:path'
import { parseBackup } from '../data/index.ts'
import { bringsNew } from '../pipeline/plan.ts'
import { isHive } from './build-plan.ts'
import type { Given } from './gather.ts'
import { nameOfRepository } from './names.ts'
import type { Problems } from './problems.ts'
import { isInside } from './read-inside.ts'
import { type Environment, workspaceOf } from './run.ts'
import { splitSecretFiles } from './secret-files.ts'
import type { InputName, Values } from './spec.ts'
import { checkTailnet, mayUseTailnet } from './tailnet-rules.ts'

export interface Case {
  readonly values: Values
  readonly given: Given
  readonly env: Environment
  readonly problems: Problems
  /** Whether an input was given, rightly or wrongly. */
  readonly has: (name: InputName) => boolean
  /** The secrets from which the workflow would give what is empty. */
  readonly empty: ReadonlyMap<InputName, string>
}

/** What no input can know by itself: which ones need, exclude or contradict each other. */
export function checkRules(
  values: Values,
  given: Given,
  env: Environment,
  problems: Problems,
  empty: Case['empty'] = new Map(),
): void {
  const about: Case = { values, given, env, problems, has: (name) => given.inputs.has(name), empty }
  // When the config file or its target could not be read, what is missing was perhaps in there.
  if (!problems.concerns('config') && !problems.concerns('target')) checkMissing(about)
  checkConnection(about)
  checkTailnet(about)
  checkFiles(about)
  checkSource(about)
  checkTimes(about)
  checkStrategy(about)
  checkData(about)
  checkReport(about)
  if (about.has('to') && values.mode !== 'rollback' && !problems.concerns('mode')) {
    problems.add('to', 'is given, but the mode is not rollback', 'Set `mode: rollback`, or leave `to` out.')
  }
  const name = values.name || nameOfRepository(env.GITHUB_REPOSITORY ?? '')
  if (name === '' && !about.has('name'))
    problems.add('name', 'is missing', 'Outside GitHub there is no repository to name it after.')
}

function checkMissing({ values, given, env, problems, has, empty }: Case): void {
  // The policy of a tailnet can let somebody in without a key: Tailscale SSH.
  const noKey = !has('ssh-key') && !env.SSH_AUTH_SOCK && !mayUseTailnet({ values, has })
  const hive = isHive(values, env)
  if (hive && !has('host')) {
    if (!has('nodes')) {
      const fix = 'Name the nodes of the hive, such as `nodes: web-1`; with `*` it is all of them.'
      problems.add('nodes', 'is missing', fix)
    }
  } else if (!has('host')) {
    const choose = `Choose one of the targets of the config file with \`target\`: ${given.targets.join(', ')}.`
    const fix = given.targets.length > 0 && !has('target') ? choose : 'Write `host: user@host`.'
    // A fork lacks the host as well, where that is kept in a secret.
    if (noKey && values['if-unconfigured'] === 'skip') problems.addAbsent('host', 'is empty', fix)
    else problems.add('host', 'is missing', fix)
  }
  if (noKey) {
    const why = 'is empty, and no SSH agent is running'
    problems.addAbsent(
      'ssh-key',
      why,
      `Set \`ssh-key: \${{ secrets.SSH_KEY }}\` and create that secret; forks and Dependabot get none.`,
    )
  }
  // Everything else comes from the record of the release; and who knows what a misspelt mode was to be.
  if (!bringsNew(values.mode) || problems.concerns('mode')) return
  if (!has('path') && values.sync !== 'none' && !hive)
    problems.add('path', 'is missing', 'Write the directory on the host, such as `path: /srv/app`.')
  if (values.strategy === 'script' && !has('activate')) {
    problems.add('activate', 'is missing', '`strategy: script` needs the shell text that makes the new version serve.')
  }
  checkRegistry(problems, has)
  checkVerify(values, problems)
  if ((has('env-path') || empty.has('env-file')) && !has('env-file')) {
    const why = has('env-path') ? 'is empty, though `env-path` says where it goes' : 'is empty'
    problems.addAbsent('env-file', why, 'Create the secret, or leave `env-path` out.')
  }
}

function checkRegistry(problems: Problems, has: Case['has']): void {
  if (has('registry-password') && !has('registry-username'))
    problems.add('registry-username', 'is missing', 'Name the user whom `registry-password` belongs to.')
  if (!has('registry-password') && (has('registry') || has('registry-username'))) {
    const fix = 'Create the secret, or leave `registry` and `registry-username` out.'
    problems.addAbsent('registry-password', 'is empty, though a registry or its user is given', fix)
  }
}

function checkVerify({ verify, images }: Values, problems: Problems): void {
  if (verify === '') return
  const fix = 'Write each as `service=NAME@sha256:…`, with the digest that the build gave.'
  if (images.length === 0) problems.add('images', 'is missing, and `verify` looks at what it names', fix)
  for (const { service, ref } of images)
    if (!ref.includes('@sha256:')) problems.add('images', `names no digest for ${service}, which \`verify\` needs`, fix)
}

function checkConnection({ values, problems, has, env }: Case): void {
  const places = new Set<string>()
  for (const { host, port } of values.host) {
    const place = `${host} port ${port}`
    if (places.has(place)) problems.add('host', `names ${place} twice`, 'Remove one of the lines.')
    places.add(place)
  }
  const jump = values['jump-host']
  if (jump && places.has(`${jump.host} port ${jump.port}`))
    problems.add('jump-host', 'is the host itself', 'Leave it out.')
  if (has('jump-host-key') && !has('jump-host'))
    problems.add('jump-host-key', 'is given without `jump-host`', 'Add `jump-host`, or leave it out.')
  if (has('ssh-key-passphrase') && !has('ssh-key') && env.SSH_AUTH_SOCK) {
    problems.add(
      'ssh-key-passphrase',
      'is given without `ssh-key`',
      'Check that the secret for `ssh-key` exists, or leave it out.',
    )
  }
}

function checkFiles({ values, given, problems, has, env }: Case): void {
  const lines = splitSecretFiles(given.inputs.get('secret-files')?.text ?? '')
  for (const { number } of lines.filter((line) => line.path !== '' && line.base64 === '')) {
    problems.addAbsent(
      'secret-files',
      `line ${number} has nothing after \`<-\``,
      'Create the secret, or remove the line.',
    )
  }
  const files = [...(has('env-file') ? [values['env-path']] : []), ...values['secret-files'].map((file) => file.path)]
  const places = files.map((file) => (isAbsolute(file) || !values.path ? file : `${values.path}/${file}`))
  const hive = isHive(values, env)
  const strange = values['secret-files'].filter(({ path }) => /^[/~]/.test(path))
  if (hive && strange.length > 0) {
    const fix = 'The hive reads it on the runner: write it relative to `source`.'
    problems.add('secret-files', `names ${strange.map(({ path }) => path).join(', ')}, which is not in the source`, fix)
  }
  if (new Set(places).size < places.length) {
    problems.add(
      'secret-files',
      'writes a file that is written already',
      'Give every file, `env-path` too, a place of its own.',
    )
  }
  const needsPath = bringsNew(values.mode) && values.sync === 'none' && !has('path')
  if (needsPath && files.some((file) => !isAbsolute(file))) {
    problems.add('path', 'is missing', 'Files that are not absolute are written relative to it.')
  }
}

/** Links are the sync's to judge; this is about what is written. */
function checkSource({ values, given, env, problems }: Case): void {
  const source = resolve(workspaceOf(env), values.source)
  const homes = [workspaceOf(env), ...(env.RUNNER_TEMP ? [resolve(env.RUNNER_TEMP)] : [])]
  if (homes.some((home) => isInside(source, home))) return
  const refuse = problems.refuser({ input: 'source', from: given.inputs.get('source')?.from ?? '' })
  refuse(
    'lies outside the workspace and the temporary directory of the runner',
    'Write it relative to the workspace.',
    values.source,
  )
}

const ofScript = ['prepare', 'activate', 'restore'] as const
const ofUv = ['uv-args', 'services', 'unit-files', 'service-scope'] as const
const ofNix = ['flake', 'build-on', 'nix-args', 'flake-check'] as const
const ofHives = ['nodes', 'colmena-args'] as const
const ofTrees = ['sync', 'exclude', 'protect', 'env-file'] as const

/** What another strategy reads would be given for nothing. With `auto` it is known only later which one it is. */
function checkStrategy({ values: { strategy, mode, flake, 'build-on': where }, problems, has }: Case): void {
  if (where === 'runner' && flake.startsWith('/'))
    problems.add(
      'build-on',
      'is `runner`, and `flake` lies on the host',
      'Write `flake` relative to `source`, or leave `build-on` out.',
    )
  const others: Partial<Record<typeof strategy, readonly InputName[]>> = {
    script: [...ofUv, ...ofNix, 'activation', ...ofHives],
    uv: [...ofScript, ...ofNix, 'activation', ...ofHives],
    compose: [...ofNix, 'activation', ...ofHives],
    stack: [...ofNix, 'activation', ...ofHives],
    'nixos-rebuild': [...ofScript, ...ofUv, ...ofHives],
    colmena: [...(bringsNew(mode) ? (['host'] as const) : []), ...ofTrees, ...ofScript, ...ofNix, ...ofUv, 'restart'],
  }
  for (const name of others[strategy] ?? [])
    if (has(name))
      problems.add(
        name,
        `is nothing for \`strategy: ${strategy}\``,
        'Leave it out, or choose the strategy that reads it.',
      )
}

/** The host takes a change back when its time is over, also while the runner still waits for it to become healthy. */
function checkTimes({ values, problems }: Case): void {
  const needed = values['health-timeout'] + values['health-stable']
  if (values.health.length === 0 || values['confirm-timeout'] > needed || problems.concerns('confirm-timeout')) return
  problems.add(
    'confirm-timeout',
    'ends before the health checks may',
    `Make it longer than \`health-timeout\` and \`health-stable\` together (${needed / 1_000}s), with time for \`activate\`.`,
  )
}

/** A release of old has its own lines of `backup`. */
function checkData({ values, problems, has }: Case): void {
  const relative = values.backup
    .map(parseBackup)
    .some((line) => typeof line !== 'string' && line.kind !== 'postgres' && line.of.some((path) => !isAbsolute(path)))
  if (bringsNew(values.mode) && values.sync === 'none' && !has('path') && relative)
    problems.add('path', 'is missing', 'What `backup` names is relative to it, unless it is absolute.')
  if (values.rollback !== 'data' || !bringsNew(values.mode) || has('backup')) return
  problems.add('rollback', 'is `data`, and there is no `backup` to restore', 'Say in `backup` what the data is.')
}

function checkReport({ values, problems, has }: Case): void {
  for (const name of ['comment', 'deployment'] as const) {
    if (!values[name] || has('github-token')) continue
    const fix = `Set \`github-token: \${{ github.token }}\`, and give the job \`permissions: ${name === 'comment' ? 'pull-requests' : 'deployments'}: write\`.`
    problems.addAbsent('github-token', `is empty, and \`${name}\` needs it`, fix)
  }
}
