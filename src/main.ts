import './remote/dirname-shim.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as core from '@actions/core'
import { Cancelled, toDeployError } from './errors.ts'
import { docsBase, forgeOf } from './inputs/forge.ts'
import { type Loaded, loadInputs, secretsIn } from './inputs.ts'
import { needNode24 } from './node-version.ts'
import type { Plan } from './pipeline/plan.ts'
import { run } from './pipeline/run.ts'
import { type Tell, tellGitHub } from './pipeline/tell-github.ts'
import { post } from './post.ts'
import { showAddress } from './remote/target.ts'
import { type About, Recorder } from './report/recorder.ts'
import { goodResults } from './report/report.ts'
import { Sink } from './report/sink.ts'

const env = process.env
const sink = new Sink({
  docsBase: docsBase(env),
  reportDir: env['RUNNER_TEMP'] || '/tmp',
  summaryInLog: !forgeOf(env).showsSummary,
})

/** Reads the inputs, runs, and says what came of it: in one place, whatever happened. */
async function main(): Promise<number> {
  const recorder = new Recorder(about())
  // A reset that arrives while nothing listens must not end the process without a word.
  process.on('uncaughtException', (error) => {
    recorder.fail(error)
    void sink.publish(recorder.finish()).finally(() => process.exit(1))
  })
  const signal = whenCancelled()
  const temp = await mkdtemp(join(env['RUNNER_TEMP'] || '/tmp', 'hd-'))
  core.saveState('temp', temp)
  let tell: Tell | undefined
  try {
    needNode24()
    const loaded = loadInputs(env)
    if ('skip' in loaded) {
      sink.warning(`Skipped, because of \`if-unconfigured: skip\`: ${loaded.skip.join(', ')} is empty.`)
      recorder.result = 'unchanged'
    } else {
      const plan = withTemp(loaded.plan, temp)
      Object.assign(recorder, about(plan))
      const remember = (deployment: string) => core.saveState('deployment', deployment)
      tell = tellGitHub(plan, { log: sink, docsBase: docsBase(env), signal, remember })
      const pending: Record<string, string> = {}
      await run(plan, recorder, sink, {
        signal,
        remember: (host, id) => {
          pending[host] = id
          core.saveState('pending', JSON.stringify(pending))
        },
        rememberTargets: (addresses) => core.saveState('targets', JSON.stringify(addresses)),
        rememberSecrets: (written) => core.saveState('secrets', JSON.stringify(written)),
        rememberTailnet: (folder) => core.saveState('tailnet', folder),
        idToken: (audience) => core.getIDToken(audience),
      })
    }
  } catch (error) {
    recorder.fail(toDeployError(error))
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
  await sink.publish(recorder.finish(), tell, signal.aborted)
  return goodResults.has(recorder.result) ? 0 : 1
}

/** GitHub cancels by a signal. It ends the run, never this process: the last word has to be said, whenever it comes. */
function whenCancelled(): AbortSignal {
  const cancelled = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (!cancelled.signal.aborted) sink.info(`${name}: the job was cancelled. Leaving the host in one known state…`)
      cancelled.abort(new Cancelled(name))
    })
  }
  return cancelled.signal
}

function about(plan?: Plan): About {
  const hosts = plan?.targets.map(({ address }) => showAddress(address)) ?? []
  const from = plan?.run ?? { repository: '', sha: '', ref: '', actor: '', workflow: '', workflowFile: '', url: '' }
  const { repository, sha, ref, actor, workflow, workflowFile, url } = from
  return {
    mode: plan?.mode ?? 'deploy',
    name: plan?.name ?? '',
    strategy: plan?.strategy ?? '',
    path: plan?.sync.path ?? '',
    environment: plan?.report.environment ?? '',
    url: plan?.report.url ?? '',
    hosts,
    run: { repository, sha, ref, actor, workflow, ...(workflowFile && { workflowFile }), url },
  }
}

function withTemp(plan: Plan, temp: string): Plan {
  return { ...plan, run: { ...plan.run, temp } }
}

for (const secret of secretsIn(env)) sink.mask(secret)
const isPost = core.getState('phase') === 'main'
core.saveState('phase', 'main')
const code = isPost ? await post(sink, () => loadInputs(env) as Loaded) : await main()
// Sockets that are kept alive would hold the step open for minutes; everything of ours was closed before.
process.exit(code)
