import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parseCheck } from '../../src/health/check.ts'
import { type Site, sampleOnHost } from '../../src/health/host-samples.ts'
import { ownNetwork } from '../../src/remote/network.ts'
import { noEngine } from '../helpers/engine.ts'
import { LocalHost, type Shell, shells } from '../helpers/local-host.ts'
import { type Scratch, scratch } from '../helpers/scratch.ts'

/** Each kind of check that needs no systemd and no Docker, asked by each shell, against real servers. */
vi.setConfig({ maxConcurrency: 12 })

const http = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (pathname === '/slow') return
  if (pathname === '/moved') response.writeHead(301, { location: '/' }).end('moved')
  else if (pathname === '/missing') response.writeHead(404).end()
  else if (pathname === '/broken') response.writeHead(503).end('busy')
  else if (pathname === '/empty') response.writeHead(204).end()
  else if (pathname === '/large') response.end(`${'x'.repeat(300_000)}\nend`)
  else response.end(`it's "ok": true\nü ${request.url}`)
})
// A server that never says anything first, as databases do.
const silent = createTcpServer(() => {})
let home: Scratch
let site: Site
let port = 0
let silentPort = 0
let closed = 0

beforeAll(async () => {
  home = await scratch('health')
  mkdirSync(join(home.path, "the app's tree"))
  site = {
    network: ownNetwork,
    path: join(home.path, "the app's tree"),
    systemctl: '',
    since: 'echo 0',
    engine: noEngine,
    state: home.path,
  }
  port = await listen(http)
  silentPort = await listen(silent)
  const gone = createTcpServer()
  closed = await listen(gone)
  await new Promise((resolve) => gone.close(resolve))
})
afterAll(async () => {
  http.closeAllConnections()
  http.close()
  silent.close()
  await home[Symbol.asyncDispose]()
})

/** The same shell on a host that has these tools and no others; the shell of BusyBox has its applets in itself. */
function withOnly(shell: Shell, name: string, tools: readonly string[]): Shell {
  if (shell.busybox) return shell
  const path = join(home.path, `${name} ${shell.name}`)
  mkdirSync(path)
  for (const tool of tools) symlinkSync(join('/usr/bin', tool), join(path, tool))
  return { ...shell, path }
}
const basic = ['base64', 'cat', 'tr', 'sort', 'sed', 'tail', 'head', 'date', 'grep', 'mktemp', 'rm']

async function ask(shell: Shell, ...lines: string[]) {
  const checks = lines.map((line) => {
    const check = parseCheck(line.replaceAll('PORT', String(port)).replaceAll('CLOSED', String(closed)))
    if (typeof check === 'string') throw new TypeError(`${line}: ${check}`)
    return check
  })
  const samples = await sampleOnHost(new LocalHost(shell), site, checks)
  return checks.map((check) => {
    const { healthy, seen, latencyMs } = samples.get(check) ?? {}
    expect(latencyMs).toBeGreaterThanOrEqual(0)
    return { healthy, seen }
  })
}

const yes = (seen: unknown) => ({ healthy: true, seen })
const no = (seen: unknown) => ({ healthy: false, seen })
const matching = (pattern: RegExp) => expect.stringMatching(pattern)

describe.concurrent.each(shells())('$name', (shell) => {
  it.each(shell.busybox ? ['wget'] : ['curl', 'wget'])('asks a URL by %s', async (tool) => {
    const asking = tool === 'curl' ? shell : withOnly(shell, 'wget', [...basic, 'wget', 'timeout', 'true'])
    const url = 'http://127.0.0.1:PORT'
    expect(
      await ask(
        asking,
        `${url}/`,
        `${url}/ body=/"ok": true$/`,
        `${url}/ body=/^nothing of the kind/`,
        `${url}/broken`,
        `${url}/broken status=503`,
        `${url}/missing status=404`,
        `${url}/moved`,
        `${url}/moved status=301`,
        `${url}/empty status=204`,
        `${url}/large body=/^x/`,
        `${url}/?q={a,b}[1-3]&$(id) body=/q=.*a,b.*1-3.*&\\$\\(id\\)$/`,
        'http://127.0.0.1:CLOSED/',
      ),
    ).toEqual([
      yes(matching(/^200 in \d+ ms$/)),
      yes(matching(/^200 in \d+ ms$/)),
      no(matching(/^200 in \d+ ms, and the body does not fit$/)),
      no(matching(/^503 in \d+ ms$/)),
      yes(matching(/^503 in \d+ ms$/)),
      yes(matching(/^404 in \d+ ms$/)),
      no(matching(/^301 in \d+ ms$/)),
      yes(matching(/^301 in \d+ ms$/)),
      yes(matching(/^204 in \d+ ms$/)),
      yes(matching(/^200 in \d+ ms$/)),
      yes(matching(/^200 in \d+ ms$/)),
      no(matching(/^(?!000).*(refused|connect)/i)),
    ])
  })

  it.each(shell.busybox ? ['wget'] : ['curl'])('does not wait for long for %s', async () => {
    const began = performance.now()
    expect(await ask(shell, 'http://127.0.0.1:PORT/slow')).toEqual([no(matching(/time|no answer/i))])
    expect(performance.now() - began).toBeLessThan(15_000)
  })

  it('knocks at a port', async () => {
    const began = performance.now()
    expect(await ask(shell, 'tcp:127.0.0.1:PORT', `tcp:localhost:${silentPort}`, 'tcp:127.0.0.1:CLOSED')).toEqual([
      yes('open'),
      yes('open'),
      no('closed'),
    ])
    expect(performance.now() - began).toBeLessThan(4_500)
  })

  it('runs a command in the live tree', async () => {
    writeFileSync(join(site.path, 'version'), '1.2.3\n')
    expect(
      await ask(
        shell,
        'command: cat version',
        'command: cat version => 1.2.3',
        'command: cat version => 1.2',
        'command: cat version => /^1\\.2\\./',
        'command: echo out; echo why >&2; exit 3',
        `command: echo 'it'"'"'s $(echo "fine")' \`echo here\` \\\\ => it's $(echo "fine") here \\`,
        'command: no-such-command-here',
        'command: echo 7 >&3',
        'command: cat',
        'command: kill -9 $$',
        'command: printf "ü\\n\\n"; true => ü',
      ),
    ).toEqual([
      yes('1.2.3'),
      yes('1.2.3'),
      no('1.2.3, not 1.2'),
      yes('1.2.3'),
      no('exit code 3: why'),
      yes(`it's $(echo "fine") here \\`),
      no(matching(/^exit code 127: .*not found$/)),
      no(matching(/^exit code [12]/)),
      yes('exit code 0'),
      no(matching(/^exit code 137/)),
      yes('ü'),
    ])
  })

  it('goes on with the other checks when the tree is missing', async () => {
    const elsewhere = { ...site, path: join(home.path, 'missing') }
    const checks = ['command: true', `tcp:127.0.0.1:${port}`].map((line) => parseCheck(line) as never)
    const samples = await sampleOnHost(new LocalHost(shell), elsewhere, checks)
    expect([...samples.values()].map(({ healthy }) => healthy)).toEqual([false, true])
  })

  it('shows no text of a command to others on the host', async () => {
    const [first] = await ask(
      shell,
      `command: : the-secret-word; for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null | grep -c 'the-secret-wor[d]' || true`,
    )
    expect(first).toEqual(yes('0'))
  })

  it('says that systemd or Docker is not there, and is not healthy', async () => {
    const bare = withOnly(shell, 'bare', basic)
    expect(await ask(bare, 'unit:app', 'container:web', 'log:web /ready/')).toEqual([
      no(matching(/systemctl.*not found/)),
      no(matching(/docker.*not found/)),
      no('no such line yet'),
    ])
    if (shell.busybox) return
    expect(await ask(bare, 'http://127.0.0.1:PORT/', 'tcp:127.0.0.1:PORT')).toEqual([
      no('neither curl nor wget is on the host'),
      no('neither a usable nc nor bash is on the host'),
    ])
  })

  it.each(shell.busybox ? [] : ['bash'])('knocks by %s where there is no nc', async (tool) => {
    const asking = withOnly(shell, 'knock', [...basic, tool, 'timeout', 'true'])
    expect(await ask(asking, 'tcp:127.0.0.1:PORT', 'tcp:127.0.0.1:CLOSED')).toEqual([yes('open'), no('closed')])
  })
})

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  return await new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  )
}
