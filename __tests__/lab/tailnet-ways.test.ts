import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { Secret } from '../../src/secret.ts'
import { joinTailnet, type Tailnet } from '../../src/tailnet/join.ts'
import type { TailnetOptions } from '../../src/tailnet/options.ts'
import { scratch } from '../helpers/scratch.ts'
import { attempt, run as command, until } from './command.ts'
import { domain, Headscale, openPolicy } from './headscale.ts'
import type { LabHost } from './host.ts'
import { hostsFolder } from './paths.ts'
import { TailnetJobs } from './tailnet-run.ts'

const stack = new AsyncDisposableStack()
let headscale: Headscale
let jobs: TailnetJobs
/** With sshd, and with Tailscale SSH in its place. */
let nas: LabHost
let keyless: LabHost
beforeAll(async () => {
  headscale = stack.use(await Headscale.start())
  jobs = stack.use(await TailnetJobs.over(headscale))
  nas = stack.use(await headscale.host({ name: 'nas' }))
  keyless = stack.use(await headscale.host({ name: 'keyless', ssh: true }))
})
afterAll(async () => await stack.disposeAsync())

const withKey = () => ({ 'ssh-key': nas.clientKey.private })

describe('a runner that is in a tailnet already', () => {
  test('is used, and is afterwards exactly as it was', async () => {
    await using own = await ownTailnet()
    const before = await own.look()
    for (const inputs of [{}, { tailnet: 'existing' }, jobs.byIdentity]) {
      const only = 'tailnet-client-id' in inputs ? {} : { 'tailnet-login-server': '', 'tailnet-binary': '' }
      const minted = jobs.api.asked.length
      const run = await jobs.deploy(nas, 'v1', { ...withKey(), ...inputs, ...only }, { env: own.env })
      expect(run.outputs.result, run.maskedLog).toBe('deployed')
      expect(jobs.api.asked).toHaveLength(minted)
      expect(await own.look()).toBe(before)
    }
    const killed = await jobs.deploy(nas, 'v2', withKey(), { env: own.env, killWhen: /Compare and send/ })
    expect(killed.signal).toBe('SIGKILL')
    expect(await own.look()).toBe(before)
    await nas.sh('rm -rf /home/deploy/.local/state/homelab-deploy/app/lock')
  })

  test('can join another one beside it, by a daemon that could not touch the first if it wanted', async () => {
    await using own = await ownTailnet()
    const before = [await own.look(), await readFile('/etc/resolv.conf', 'utf8')]
    const inputs = { ...jobs.byIdentity, tailnet: 'join' }
    const run = await jobs.deploy(keyless, 'v2', inputs, { env: own.env, watchArgv: true })
    expect(run.outputs.result, run.maskedLog).toBe('deployed')
    expect([await own.look(), await readFile('/etc/resolv.conf', 'utf8')]).toEqual(before)
    await jobs.expectNothingLeft()
  })

  test('is what `tailnet: existing` asks for: without one it stops', async () => {
    const run = await jobs.deploy(nas, 'v1', { tailnet: 'existing', 'tailnet-login-server': '', 'tailnet-binary': '' })
    expect(run.errors[0]?.message).toContain('HD-TAILNET-07')
  })
})

describe('the policy', () => {
  const rule = (message: string, where: string) =>
    JSON.parse(new RegExp(`"${where}": (\\{.*?\\})[,.]? `).exec(`${message} `)?.[1] ?? 'null')
  const plan = (host: LabHost, inputs: Record<string, string> = {}) =>
    jobs.deploy(host, 'v1', { ...jobs.byIdentity, 'connect-timeout': '12s', mode: 'plan', ...inputs })
  const elsewhere = { action: 'accept', src: ['tag:ci'], dst: ['tag:ci:*'] }
  const door = { action: 'accept', src: ['tag:ci'], dst: ['tag:homelab:80'] }

  test('that shows no host, or opens no port, is named with the very rule that it lacks', async () => {
    try {
      for (const [acl, code] of [
        [elsewhere, /The tailnet does not show nas\..*HD-TAILNET-05/s],
        [door, /nas\.\S+ answers in the tailnet, but its port 22 does not.*HD-TAILNET-06/s],
      ] as const) {
        await headscale.setPolicy({ ...openPolicy, acls: [acl], ssh: [] })
        const stopped = await plan(nas, withKey())
        expect(stopped.errors[0]?.message, stopped.maskedLog).toMatch(code)
        const acls = [acl, rule(stopped.errors[0]?.message ?? '', 'acls')]
        await headscale.setPolicy({ ...openPolicy, acls, ssh: [] })
        const next = await plan(nas, withKey())
        expect(next.outputs.result, `${JSON.stringify(acls)}\n${next.maskedLog}`).toBe('planned')
      }
      await jobs.expectNothingLeft()
    } finally {
      await headscale.setPolicy(openPolicy)
    }
  })

  test('that lets nobody in by Tailscale SSH: with the rule that is printed a deploy gets in', async () => {
    try {
      await headscale.setPolicy({ ...openPolicy, ssh: [] })
      const stopped = await plan(keyless)
      const message = stopped.errors[0]?.message ?? ''
      expect(message, stopped.maskedLog).toMatch(/Tailscale SSH did not let us in as deploy@keyless.*HD-SSH-03/s)
      await headscale.setPolicy({ ...openPolicy, ssh: [rule(message, 'ssh')] })
      const run = await jobs.deploy(keyless, 'v1', jobs.byIdentity)
      expect(run.outputs.result, `${message}\n${run.maskedLog}`).toBe('deployed')
    } finally {
      await headscale.setPolicy(openPolicy)
    }
  })
})

describe('the host', () => {
  test('that is offline is named, and waited for when it comes in time', async () => {
    await nas.sh('systemctl stop tailscaled')
    await until(
      'the host to be offline',
      async () => !(await headscale.nodes()).find(({ given_name }) => given_name === 'nas')?.online,
    )
    const off = await jobs.deploy(nas, 'v3', { ...withKey(), ...jobs.byIdentity, 'connect-timeout': '12s' })
    expect(off.errors[0]?.message, off.maskedLog).toMatch(/nas\.\S+ is offline in the tailnet.*HD-TAILNET-06/s)
    const during = () => void setTimeout(() => void nas.sh('systemctl start tailscaled'), 9_000)
    const run = await jobs.deploy(nas, 'v3', { ...withKey(), ...jobs.byIdentity }, { during })
    expect(run.outputs.result, run.maskedLog).toBe('deployed')
  })

  test('whose sshd is off is told apart from one that a policy hides', async () => {
    await nas.stopSshd()
    try {
      const run = await jobs.deploy(nas, 'v3', { ...withKey(), ...jobs.byIdentity, 'connect-timeout': '12s' })
      expect(run.errors[0]?.message, run.maskedLog).toMatch(/is closed.*HD-NET-03/s)
    } finally {
      await nas.startSshd()
    }
  })

  test('whose key has expired is told so', async () => {
    await using old = await headscale.host({ name: 'old' })
    await headscale.expire('old')
    const run = await jobs.deploy(old, 'v3', {
      'ssh-key': old.clientKey.private,
      ...jobs.byIdentity,
      'connect-timeout': '12s',
    })
    expect(run.errors[0]?.message, run.maskedLog).toMatch(/key of old\.\S+ in the tailnet has expired.*HD-TAILNET-06/s)
  })

  test('that is a jump host leads on', async () => {
    const inputs = {
      'jump-host': `deploy@nas.${domain}`,
      'jump-host-key': 'tailnet',
      'host-key': nas.knownHostsLine.replace(nas.address, '127.0.0.1'),
    }
    const run = await jobs.deploy(nas, 'v4', { ...withKey(), ...jobs.byIdentity, ...inputs, host: 'deploy@127.0.0.1' })
    expect(run.outputs.result, run.maskedLog).toBe('deployed')
    const beyond = await jobs.deploy(nas, 'v4', {
      ...withKey(),
      ...jobs.byIdentity,
      ...inputs,
      'host-key': 'tailnet',
      host: 'deploy@127.0.0.1',
    })
    expect(beyond.errors[0]?.message, beyond.maskedLog).toMatch(/does not vouch for.*HD-SSH-01/s)
  })
})

test('a host outside of the tailnet is dialled as ever', async () => {
  const inputs = { host: nas.target, 'host-key': nas.knownHostsLine }
  const run = await jobs.deploy(nas, 'v6', { ...withKey(), ...jobs.byIdentity, ...inputs })
  expect(run.outputs.result, run.maskedLog).toBe('deployed')
  expect(run.summary).not.toContain('through the tailnet')
})

test('over a relay, where no UDP gets through', async () => {
  await nas.sh(
    'nft add table inet cut; nft add chain inet cut o "{ type filter hook output priority 0; }"; nft add rule inet cut o meta l4proto udp drop; nft add chain inet cut i "{ type filter hook input priority 0; }"; nft add rule inet cut i meta l4proto udp drop',
  )
  try {
    const run = await jobs.deploy(nas, 'v5', { ...withKey(), ...jobs.byIdentity })
    expect(run.outputs.result, run.maskedLog).toBe('deployed')
    expect(run.summary).toMatch(/\*\*Network\*\* through the tailnet, relayed by lab, \d+ ms/)
  } finally {
    await nas.sh('nft delete table inet cut')
  }
})

test('OpenSSH comes through by `tailscale nc`', async () => {
  await using tailnet = await joined()
  await using folder = await scratch('lab-ssh')
  await writeFile(join(folder.path, 'key'), nas.clientKey.private, { mode: 0o600 })
  await writeFile(join(folder.path, 'known'), nas.hostKey.line(`nas.${domain}`, 22))
  const options = [
    ...[
      `ProxyCommand=${tailnet.network.proxyCommand}`,
      `IdentityFile=${folder.path}/key`,
      `UserKnownHostsFile=${folder.path}/known`,
    ],
    ...['StrictHostKeyChecking=yes', 'BatchMode=yes'],
  ].flatMap((option) => ['-o', option])
  const said = await attempt(['ssh', '-F', 'none', ...options, `deploy@nas.${domain}`, 'hostname'])
  expect(said).toMatchObject({ code: 0, stdout: 'nas\n' })
})

test('a deploy sends at least half as fast through the daemon as past it', async () => {
  const past = {
    host: nas.target,
    'host-key': nas.knownHostsLine,
    tailnet: 'off',
    'tailnet-login-server': '',
    'tailnet-binary': '',
  }
  /** Megabytes in a second, of bytes that nobody has seen before and that cannot be made smaller. */
  const measure = async (inputs: Record<string, string>) => {
    const megabytes = 100
    const run = await jobs.deploy(
      nas,
      { base64: randomBytes(megabytes * 1_000_000).toString('base64') },
      {
        ...withKey(),
        ...inputs,
        activate: 'true',
      },
    )
    expect(run.outputs.result, run.maskedLog).toBe('deployed')
    const { steps } = run.report as Report
    return megabytes / ((steps.find(({ name }) => name === 'Compare and send')?.durationMs ?? Number.NaN) / 1_000)
  }
  // The other end runs on the same processors, with a daemon of its own: the best of some says what is possible.
  let best = 0
  for (let round = 0; round < 6 && best <= 0.5; round++) {
    const [direct, through] = [await measure(past), await measure(jobs.byIdentity)]
    console.log(`${direct.toFixed(0)} MB/s past the daemon, ${through.toFixed(0)} through it`)
    best = Math.max(best, through / direct)
  }
  expect(best).toBeGreaterThan(0.5)
})

const silent = { info() {}, warning() {}, output() {}, mask() {} }

/** As a run of the action joins, but in this process. */
async function joined(): Promise<Tailnet> {
  process.env.SSL_CERT_FILE = headscale.authority
  const options: TailnetOptions = {
    mode: 'join',
    tags: [],
    loginServer: headscale.url,
    hostname: 'gha-here',
    apiUrl: '',
    description: '',
    credentials: { way: 'key', key: new Secret(await headscale.key('tag:ci')) },
    binary: { folder: headscale.programs },
    hostSocket: '/nowhere',
  }
  const idToken = () => Promise.reject(new Error('not asked'))
  const tailnet = await joinTailnet(options, { log: silent, hosts: [], timeoutMs: 30_000, idToken, remember: () => {} })
  if (tailnet === undefined) throw new Error('not joined')
  return tailnet
}

/** The tailscaled of the runner itself, as somebody has set it up long ago. */
async function ownTailnet() {
  const folder = join(hostsFolder, 'own-tailscale')
  await mkdir(folder)
  const socket = join(folder, 'socket')
  const log = openSync(join(folder, 'log'), 'a')
  const child = spawn(
    join(headscale.programs, 'tailscaled'),
    ['--tun=userspace-networking', '--port=0', '--no-logs-no-support', `--statedir=${folder}`, `--socket=${socket}`],
    { env: { ...process.env, SSL_CERT_FILE: headscale.authority, TS_LOGS_DIR: folder }, stdio: ['ignore', log, log] },
  )
  const tool = [join(headscale.programs, 'tailscale'), `--socket=${socket}`]
  await until('tailscaled', async () => (await attempt([...tool, 'debug', 'prefs'])).code === 0)
  const key = await headscale.key('tag:ci')
  await command([
    ...tool,
    'up',
    `--login-server=${headscale.url}`,
    `--auth-key=${key}`,
    '--hostname=own',
    '--timeout=30s',
    '--accept-dns=false',
  ])
  return {
    env: { TS_SOCKET: socket },
    /** All that somebody could have changed: process, settings, node, name, address. */
    look: async () => {
      const { Self } = JSON.parse(await command([...tool, 'status', '--json'])) as { Self: Record<string, unknown> }
      const node = (await headscale.nodes()).find(({ given_name }) => given_name === 'own')
      const { ID, PublicKey, DNSName, TailscaleIPs, Tags } = Self
      const prefs = await command([...tool, 'debug', 'prefs'])
      return JSON.stringify([
        child.pid,
        child.exitCode,
        prefs,
        { ID, PublicKey, DNSName, TailscaleIPs, Tags },
        node?.id,
        node?.online,
      ])
    },
    async [Symbol.asyncDispose]() {
      await attempt([...tool, 'logout'])
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      await rm(folder, { recursive: true })
    },
  }
}
