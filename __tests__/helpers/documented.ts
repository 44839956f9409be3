import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Block, configFor, isOurs, jobsOf, matrixOf, type Step } from './documents.ts'
import type { EmbeddedHost } from './embedded-host.ts'
import { scratch } from './scratch.ts'

/** One way in which a step of the documents is started: by a push, or by hand, with one set of a matrix. */
export interface Documented {
  readonly block: Block
  readonly step: Step
  readonly matrix: Readonly<Record<string, string>>
  /** What the form of `workflow_dispatch` holds. */
  readonly form: Readonly<Record<string, string>>
}

/** Every step of this action that a block shows, in every way that it would be started. */
export function documented(block: Block): Documented[] {
  const { on } = block.value ?? {}
  const forms = [
    ...(on?.push || on?.workflow_dispatch === undefined ? [{}] : []),
    ...(on?.workflow_dispatch === undefined ? [] : [{ mode: 'rollback', to: '' }]),
  ]
  return jobsOf(block).flatMap((job) =>
    job.steps
      .filter(isOurs)
      .flatMap((step) => matrixOf(job).flatMap((matrix) => forms.map((form) => ({ block, step, matrix, form })))),
  )
}

export interface Places {
  /** As many as the step names. */
  readonly hosts: readonly EmbeddedHost[]
  readonly jump: EmbeddedHost | undefined
  /** The address of a service that answers everything with 200. */
  readonly service: string
  /** A folder with what the examples call on a host. */
  readonly tools: string
}

/** The inputs of the step as GitHub would give them, in its own words but for what exists only in the example. */
export function inputsOf({ step, matrix, form }: Documented, places: Places): Record<string, string> {
  const written = Object.entries(step.with ?? {}).map(([name, value]) => [name, filled(String(value), matrix, form)])
  return atHome(Object.fromEntries(written), places)
}

/** The config file of the step, with the same changes; without one, nothing. */
export function configOf({ block, step, matrix }: Documented, blocks: readonly Block[], places: Places): string {
  const target = filled(String(step.with?.target ?? ''), matrix, {})
  const config = target && configFor(target, block.page, blocks)?.value
  if (!config) return ''
  const targets = { [target]: atHome(config.targets[target], places) }
  return JSON.stringify({ defaults: atHome(config.defaults ?? {}, places), targets })
}

/** Of steps that come to the same inputs, one stands for all: pages show again what other pages show. */
export function distinct(stories: readonly Documented[], blocks: readonly Block[]): (readonly Documented[])[] {
  const host = { target: '', knownHostsLine: '', clientKey: { private: '' } } as EmbeddedHost
  const anywhere: Places = { hosts: [host], jump: undefined, service: '', tools: '' }
  const inputs = (story: Documented) =>
    JSON.stringify([inputsOf(story, anywhere), configOf(story, blocks, anywhere), hostsOf(story, blocks)])
  return Object.values(Object.groupBy(stories, inputs)).filter((same) => same !== undefined)
}

/** The strategy of a step, wherever it is said. */
export function strategyOf({ block, step, matrix }: Documented, blocks: readonly Block[]): string {
  const target = filled(String(step.with?.target ?? ''), matrix, {})
  const config = target ? configFor(target, block.page, blocks)?.value : undefined
  return String(step.with?.strategy ?? config?.targets[target].strategy ?? config?.defaults?.strategy ?? 'script')
}

/** The lines of `host`, wherever they are said. */
export function hostsOf({ block, step, matrix }: Documented, blocks: readonly Block[]): number {
  const target = filled(String(step.with?.target ?? ''), matrix, {})
  const config = target ? configFor(target, block.page, blocks)?.value : undefined
  const host = step.with?.host ?? config?.targets[target].host ?? config?.defaults?.host
  return host === undefined ? 0 : String(host).trim().split('\n').length
}

function filled(text: string, matrix: Readonly<Record<string, string>>, form: Readonly<Record<string, string>>) {
  return text.replace(
    /\$\{\{ *(\w+)\.([\w.-]+)(?: \|\| '(\w+)')? *\}\}/g,
    (_, context: string, name: string, otherwise = '') => {
      if (context === 'inputs') return form[name] || otherwise
      if (context === 'matrix') return matrix[name] ?? ''
      // Of a step that did not run here.
      if (context === 'steps') return ''
      return Buffer.from(`the value of ${name}`).toString('base64')
    },
  )
}

/** The checks that need an engine or a systemd on the host. */
const notHere = /^(container|unit|log):/

/** What is different here: names, keys, folders outside of the home of the account, ports, and who is called. */
function atHome<T>(inputs: Record<string, T>, { hosts, jump, service, tools }: Places): Record<string, string | T> {
  const known = hosts.map(({ knownHostsLine }) => knownHostsLine).join('\n')
  const here: Record<string, string> = {
    host: hosts.map(({ target }) => target).join('\n'),
    'host-key': known,
    'jump-host': jump?.target ?? '',
    'jump-host-key': jump?.knownHostsLine ?? '',
    'ssh-key': hosts[0]?.clientKey.private ?? '',
  }
  const change = (name: string, value: T): string | T => {
    if (here[name] !== undefined) return here[name]
    if (name === 'path') return String(value).replace(/^\//, '~/')
    if (/^(prepare|activate)$/.test(name)) return `PATH=${tools}:$PATH\n${value}`
    if (name !== 'health') return value
    const lines = [value].flat().join('\n').split('\n')
    return lines
      .filter((line) => !notHere.test(line))
      .join('\n')
      .replaceAll(/^command: /gm, `command: PATH=${tools}:$PATH `)
      .replaceAll(/https?:\/\/[\w.:-]+/g, service)
  }
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, change(name, value)]))
}

/** What the examples call on a host and this one lacks. Each says what it was asked for, and refuses what it does not know. */
const standIns: Record<string, string> = {
  docker: `case "$*" in
  'compose up --detach --build --wait' | 'compose up --detach --wait' | 'compose build') echo "docker $*" >>"$HOME/called" ;;
  *) exit 1 ;;
esac`,
  sudo: `[ "$*" = '-n systemctl restart shop' ] && echo "sudo $*" >>"$HOME/called"`,
  systemctl: `case "$*" in
  '--user restart sensors') echo "systemctl $*" >>"$HOME/called" ;;
  '--user is-active sensors') echo active ;;
  *) exit 1 ;;
esac`,
}

export async function toolsOfTheHost(open: AsyncDisposableStack): Promise<string> {
  const { path } = open.use(await scratch('documented-tools'))
  await chmod(path, 0o755)
  await mkdir(path, { recursive: true })
  for (const [name, text] of Object.entries(standIns))
    await writeFile(join(path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return path
}

export async function startService(open: AsyncDisposableStack): Promise<string> {
  const server = createServer((_, answer) => answer.end('fine'))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  open.defer(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
