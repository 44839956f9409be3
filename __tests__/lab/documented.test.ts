import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Documented, documented, strategyOf } from '../helpers/documented.ts'
import { yamlBlocks } from '../helpers/documents.ts'
import { type RunOptions, runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { readTree, type Tree, writeTree } from '../helpers/tree.ts'
import { engineHost } from './compose-bot.ts'
import { HiveApp } from './hive-app.ts'
import { type LabHost, labHost } from './host.ts'
import { NixApp } from './nix-app.ts'
import { Registry } from './registry.ts'
import { UvApp } from './uv-app.ts'
import { workspaceFiles } from './uv-layer.ts'

// The steps that a page shows and that need what the host of scenario/documented.test.ts has not, an engine, units, Nix:
// with the inputs that people copy, on hosts that have it. Changed are names, keys and registry. Whole recipes have tests of their own.
const blocks = yamlBlocks()
const stories = blocks.flatMap(documented).filter(({ block }) => !/recipes\/[^R]/.test(block.page) || !block.value.jobs)
const of = (strategy: string) =>
  stories.filter((story) => strategyOf(story, blocks) === strategy && story.step.with?.strategy !== undefined)

/** What is called by name in the example, and exists only there. */
type Known = Readonly<Record<string, string>>

function inputsOf({ step, form }: Documented, known: Known): Record<string, string> {
  const fill = (text: string) =>
    text.replace(
      /\$\{\{ *\w+\.(\w+)(?: \|\| '(\w+)')? *\}\}/g,
      (_, name: string, otherwise = '') => form[name] || known[name] || otherwise,
    )
  const written = Object.entries(step.with ?? {}).map(([name, value]) => [name, known[name] ?? fill(String(value))])
  return { 'health-stable': '1s', ...Object.fromEntries(written) }
}

const connection = (host: LabHost): Known => ({
  host: host.target,
  'ssh-key': host.clientKey.private,
  'host-key': host.knownHostsLine,
})

async function run(story: Documented, known: Known, source: Tree | string, options: Partial<RunOptions> = {}) {
  await using workspace = await scratch('lab-documented')
  if (typeof source !== 'string') await writeTree(workspace.path, source)
  const folder = typeof source === 'string' ? source : workspace.path
  const inputs = inputsOf(story, known)
  // Two paths are two applications.
  const repository = `acme/${(inputs.path ?? 'shop').split('/').at(-1)}`
  const result = await runAction({ workspace: folder, inputs, repository, timeoutMs: 200_000, ...options })
  const wanted = inputs.mode === 'plan' ? 'planned' : 'deployed'
  expect(result.outputs.result, `${story.block.page}, line ${story.block.line}\n${result.maskedLog}`).toBe(wanted)
}

/** A service on port 8080, in an image of the registry. */
const web = 'mkdir -p /dev/shm/www; echo fine >/dev/shm/www/health; exec httpd -f -p 8080 -h /dev/shm/www'

async function enginesHost(name: string, registry: Registry, user: 'root' | 'deploy') {
  const host = await engineHost(name, registry, { user })
  await host.sh(`usermod -aG docker deploy; install -d -o ${user} /srv/shop /srv/bots /volume1/docker/app`)
  // Examples without a registry pull what anybody may, or what somebody logged in for.
  await host.sh(
    `printf %s '${registry.password}' | docker login --username '${registry.user}' --password-stdin ${registry.name} 2>&1`,
    { user },
  )
  const known = {
    ...connection(host),
    registry: registry.name,
    'registry-username': registry.user,
    DOTENV: 'TOKEN=a-token',
    GHCR_TOKEN: registry.password,
  }
  return { host, known }
}

const compose = (image: string): Tree => ({
  'docker-compose.yml': `services:\n  web:\n    image: ${image}\n    ports: ["8080:8080"]\n    stop_grace_period: 0s\n`,
})

test.concurrent('compose, and stack', async () => {
  await using registry = await Registry.start()
  await registry.push('web:latest', web)
  const image = `${registry.name}/web:latest`
  const { host, known } = await enginesHost('documented-compose', registry, 'deploy')
  await using _ = host
  for (const story of of('compose')) {
    // One project after the other has the port.
    await host.sh('docker ps -q | xargs -r docker stop -t 0')
    await run(story, known, compose(image))
  }
  const swarm = await enginesHost('documented-stack', registry, 'root')
  await using __ = swarm.host
  await swarm.host.sh(`docker swarm init --advertise-addr ${swarm.host.address}`)
  const tree = {
    'docker-stack.yml': `version: "3.8"\nservices:\n  web:\n    image: ${image}\n    deploy: { endpoint_mode: dnsrr }\n`,
  }
  for (const story of of('stack')) {
    await run(story, swarm.known, tree)
  }
})

test.concurrent('commands of one’s own: those that a host without an engine and units answers by a stand-in', async () => {
  await using registry = await Registry.start()
  await registry.push('web:latest', web)
  const { host, known } = await enginesHost('documented-script', registry, 'deploy')
  await using _ = host
  const unit = '[Service]\nExecStart=/bin/sleep infinity\n'
  await host.write('/etc/systemd/system', { 'shop.service': unit }, 'root')
  await host.sh('systemctl daemon-reload; loginctl enable-linger deploy')
  await host.write('/home/deploy/.config/systemd/user', { 'sensors.service': unit }, 'deploy')
  const called = (story: Documented) => {
    const { prepare, activate, path } = story.step.with ?? {}
    return /docker|systemctl/.test(`${activate}`) && !story.form.mode ? JSON.stringify([prepare, activate, path]) : ''
  }
  const { '': others, ...ways } = Object.groupBy(of('script'), called)
  expect(others?.length).toBeGreaterThan(0)
  expect(Object.keys(ways).length).toBeGreaterThan(3)
  for (const [story] of Object.values(ways) as [Documented][]) {
    // Of two hosts one is enough, and no tailnet is needed to get there.
    const names = Object.keys(story.step.with ?? {}).filter((name) => !name.startsWith('tailnet-'))
    const step = { with: Object.fromEntries(names.map((name) => [name, story.step.with?.[name]])) }
    await run(
      { ...story, step: { ...step, with: { 'ssh-key': '', ...step.with } } },
      { ...known, to: '' },
      compose(`${registry.name}/web:latest`),
    )
  }
})

test.concurrent('uv', async () => {
  await using host = await labHost({ name: 'documented-uv', layers: ['uv'] })
  await host.sh('install -d -o deploy /srv/shop /opt/app')
  const service = (workspaceFiles()['deploy/egograph-backend.service'] ?? '').replaceAll(
    '/opt/egograph/repo',
    '/opt/app',
  )
  const idle = (path: string) => `[Service]\nExecStart=${path}/.venv/bin/python -c 'import time; time.sleep(1e6)'\n`
  const files = { 'deploy/app-api.service': service, 'deploy/app-worker.service': idle('/opt/app') }
  // A unit that exists already where the example brings none.
  await host.write('/etc/systemd/system', { 'shop.service': idle('/srv/shop') }, 'root')
  await host.sh('systemctl daemon-reload')
  for (const story of of('uv')) {
    await using app = await UvApp.create(host, String(story.step.with?.path))
    const sha = await app.commit({ version: 'v1', files })
    await run(story, connection(host), app.folder, { sha })
  }
  expect(await host.sh('systemctl is-active shop app-api app-worker')).toBe('active\nactive\nactive')
})

test.concurrent('nixos-rebuild', async () => {
  const unit = (path: string) =>
    `[Service]\nExecStart=/usr/bin/python3 -m http.server 8000 --bind 127.0.0.1 --directory ${path}/www\n`
  for (const [index, story] of of('nixos-rebuild').entries()) {
    const path = String(story.step.with?.path).replace('~', '/home/deploy')
    await using host = await labHost({ name: `documented-nix-${index}`, layers: ['nix'] })
    await using app = await NixApp.create(host, path)
    await app.install()
    // The flake in a folder below the repository, and at its top.
    const below = await readFile(join(app.folder, 'nixos/flake.nix'), 'utf8')
    const files = {
      'flake.nix': below.replaceAll('../', './'),
      'units/app-api.service': unit(path),
      'www/health': 'fine',
    }
    await app.commit({ version: 'v1', system: 's1', files })
    // For a flake that knows nothing but its own folder, all lies in there.
    const source = String(story.step.with?.source ?? '')
    const tree = Object.entries(await readTree(app.folder)).filter(([name]) => !name.startsWith('.git/'))
    const within = source === '' ? {} : Object.fromEntries(tree.map(([name, file]) => [`${source}/${name}`, file]))
    const sha = await app.commit({ version: 'v1', system: 's1', files: { ...files, ...(within as typeof files) } })
    await run(story, connection(host), app.folder, { sha })
    expect(await host.sh('readlink /run/current-system')).toContain('s1')
  }
})

test.concurrent('colmena', async () => {
  await using app = await HiveApp.create()
  await app.trust()
  const first = app.values('a-secret')
  const known = { ...first, 'ssh-key': first.SSH_KEY ?? '', 'host-key': first.CARTOGRAPHER_HOST_KEY ?? '' }
  const [nodes, health] = ['cartographer-staging, cartographer-prod', 'unit:cartographer\nhttp://127.0.0.1:8080/health']
  const hive = await readFile(join(app.folder, 'cartographer.nix'), 'utf8')
  for (const host of app.hosts) await host.sh('mkdir -p /run/keys; echo a-key >/run/keys/env')
  for (const [index, story] of of('colmena').entries()) {
    // A hive whose nodes have the keys that the example gives.
    const given = /\.env\.production/.test(String(story.step.with?.['secret-files']))
      ? /^ *"tls\.key" = .*$/gm
      : /^ *"(env|tls\.key)" = .*$/gm
    const files = { 'cartographer.nix': hive.replace(given, '') }
    const sha = await app.commit({ label: `documented-${index}`, files })
    await run(story, { ...known, nodes, health }, app.folder, { sha, path: [app.nix.bin] })
    for (const host of app.hosts) expect(await app.answer(host)).toContain(`documented-${index}`)
  }
})

test('no page shows a strategy that is none of these', () => {
  const shown = new Set(stories.map((story) => strategyOf(story, blocks)))
  expect([...shown].toSorted()).toEqual(['colmena', 'compose', 'nixos-rebuild', 'script', 'stack', 'uv'])
})
