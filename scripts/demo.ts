// `npm run demo [-- --html FILE]`: deploys a small web service four times, as a runner would run the action, to a host
// that lives in a scratch folder: an SSH server in this process, with real shells and real files. It ends with exit
// code 0 only if every deploy ended as it should and the service answered what it should; nothing of it stays.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startHost } from '../__tests__/helpers/embedded-host.ts'
import { type RunResult, runAction } from '../__tests__/helpers/run-action.ts'
import { scratch } from '../__tests__/helpers/scratch.ts'
import { nobody } from '../__tests__/helpers/test-host.ts'
import { writeTree } from '../__tests__/helpers/tree.ts'
import { StepLog } from '../__tests__/helpers/workflow-commands.ts'
import { activate, versions } from './demo/shop.ts'
import { logView, showSummary, styled } from './demo/terminal.ts'
import { type Part, renderPage } from './page.ts'

interface Story {
  readonly title: string
  readonly means: string
  readonly source?: keyof typeof versions
  readonly inputs?: Record<string, string>
  readonly result: string
  /** What the service has to answer afterwards. */
  readonly answers: string
}

const commitOf = (version: string): string => createHash('sha1').update(version).digest('hex')

const stories: readonly Story[] = [
  {
    title: 'First deploy: v1',
    source: 'v1',
    result: 'deployed',
    answers: '200 shop v1: apples',
    means: 'Nothing was there before. The tree is sent, `activate` starts the shop, and `health` sees that it answers.',
  },
  {
    title: 'Second deploy: v2',
    source: 'v2',
    result: 'deployed',
    answers: '200 shop v2: apples, pears',
    means: 'Only what changed is sent. The visitors are still counted: `protect: data` keeps what the shop wrote.',
  },
  {
    title: 'A broken deploy: v3',
    source: 'v3',
    result: 'rolled-back',
    answers: '200 shop v2: apples, pears',
    means:
      'v3 answers every request with a 500. It never becomes healthy, so v2 was put back and started again. The job is red.',
  },
  {
    title: 'Back to v1 by hand',
    result: 'deployed',
    answers: '200 shop v1: apples',
    inputs: { mode: 'rollback', to: commitOf('v1').slice(0, 7) },
    means: '`mode: rollback` needs no checkout: the host still has the release, and how to start it.',
  },
]

async function main(html: string | undefined): Promise<boolean> {
  if (!existsSync(join(import.meta.dirname, '../dist/index.js'))) throw new Error('There is no dist: `npm run build`.')
  await using open = new AsyncDisposableStack()
  const folder = open.use(await scratch('demo'))
  const host = open.use(await startHost({ path: [await nodeFolder(open)] }))
  const port = await freePort()
  const address = `http://127.0.0.1:${port}/`
  let running: Promise<RunResult> | undefined
  process.once('SIGINT', async () => {
    await running?.catch(() => {})
    await open.disposeAsync()
    process.exit(130)
  })

  say(styled('bold', 'homelab-deploy: four deploys in a scratch folder'))
  say(`The host is an SSH server in this process, with real shells and real files. The service is ${address}`)
  const began = performance.now()
  const summaries: Part[] = []
  const wrong: string[] = []
  for (const [index, { title, means, source, inputs = {}, result, answers }] of stories.entries()) {
    say(`\n${styled(['bold', 'blue'], `${index + 1}. ${title}`)}`)
    say(`   Before: ${styled('cyan', await ask(address))}`)
    const workspace = join(folder.path, source ?? 'empty')
    await writeTree(workspace, source ? versions[source] : {})
    const vitals = { health: address, 'health-timeout': '3s', 'health-stable': '0s' }
    const code = { path: '~/shop', strategy: 'script', activate: activate(port), protect: 'data' }
    const where = {
      host: host.target,
      'ssh-key': host.clientKey.private,
      'host-key': host.knownHostsLine,
      name: 'shop',
    }
    const secrets = [host.clientKey.private]
    running = runAction({
      inputs: { ...where, ...vitals, ...(source ? code : {}), ...inputs },
      workspace,
      sha: commitOf(source ?? 'v3'),
      secrets,
      runId: String(100 + index),
      onLine: live(new StepLog(secrets)),
    })
    const run = await running
    summaries.push({ title: `${index + 1}. ${title}`, markdown: run.summary })
    const seen = await ask(address)
    const good = run.outputs.result === result && run.exitCode === (result === 'deployed' ? 0 : 1)
    if (!good) wrong.push(`${title}: ${run.outputs.result}, exit code ${run.exitCode}; expected ${result}`)
    if (!seen.startsWith(answers)) wrong.push(`${title}: the shop said "${seen}"; expected "${answers}…"`)
    if (run.orphans.length > 0) wrong.push(`${title}: something was left running on the runner`)
    say(`   Result: ${styled(good ? 'green' : 'red', run.outputs.result ?? 'none')}, exit code ${run.exitCode}`)
    say(`   After:  ${styled('cyan', seen)}`)
    say(`   ${means}`)
  }

  say(`\n${styled(['bold', 'blue'], 'What GitHub shows of the broken deploy')} (the job summary)`)
  say(showSummary(summaries[2]?.markdown ?? ''))
  if (html !== undefined) {
    writeFileSync(html, renderPage('homelab-deploy: four deploys', summaries))
    say(`All four summaries, as GitHub shows them: ${html}`)
  }
  const took = ((performance.now() - began) / 1_000).toFixed(1)
  say(wrong.length === 0 ? `\nAll four ended as they should, in ${took} s.` : `\nNot as expected:`)
  for (const each of wrong) say(`  ${styled('red', each)}`)
  return wrong.length === 0
}

/** Shows each line as it comes, as the runner would show it. */
function live(log: StepLog): (line: string) => void {
  const view = logView()
  return (line) => {
    const shown = log.masked.length
    log.add(line)
    for (const each of log.masked.slice(shown).flatMap(view)) say(each)
  }
}

/** What somebody sees who opens the page. */
async function ask(address: string): Promise<string> {
  return await fetch(address).then(
    async (response) => `${response.status} ${(await response.text()).trim()}`,
    () => 'nothing answers',
  )
}

/** Where the account of the host finds node. For root it is `nobody`, which may not be able to read this checkout. */
async function nodeFolder(open: AsyncDisposableStack): Promise<string> {
  const mine = dirname(process.execPath)
  if (process.getuid?.() !== 0) return mine
  const { uid, gid } = nobody
  if (spawnSync(process.execPath, ['--version'], { uid, gid, cwd: '/' }).status === 0) return mine
  const { path } = open.use(await scratch('node', nobody))
  copyFileSync(process.execPath, join(path, 'node'))
  return path
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

function say(text: string): void {
  console.log(text)
}

const { values } = parseArgs({ options: { html: { type: 'string' } } })
process.exitCode = (await main(values.html === undefined ? undefined : resolve(values.html))) ? 0 : 1
