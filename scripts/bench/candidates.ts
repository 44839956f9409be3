import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpensshHost } from '../../__tests__/helpers/openssh-host.ts'
import { runAction } from '../../__tests__/helpers/run-action.ts'
import { activate, prepare } from './work.ts'

export interface Site {
  readonly host: OpensshHost
  /** The proxy that stands for the line. */
  readonly address: string
  readonly port: number
  readonly source: string
  /** For keys and control sockets. */
  readonly folder: string
}

export interface Candidate {
  readonly name: string
  /** Milliseconds from the start of the process to its end. */
  deploy(site: Site): Promise<number>
  /** As if it had never deployed. */
  forget(site: Site): Promise<void>
  /** Every file waits for an answer: measured once, for reference, and never with a delay, which would take minutes. */
  readonly loopbackOnly?: boolean
}

/** Our action, as the runner runs it. */
export function ours(name: string, inputs: Record<string, string> = {}, main?: string): Candidate {
  const app = name.replace(/\W+/g, '-')
  return {
    name,
    async deploy({ host, address, port, source }) {
      const run = await runAction({
        inputs: {
          host: `${host.user}@${address}:${port}`,
          'host-key': host.hostKey.line(address, port),
          'ssh-key': host.clientKey.private,
          name: app,
          path: `~/${app}/live`,
          source,
          strategy: 'script',
          prepare: prepare.join('\n'),
          activate: activate.join('\n'),
          ...inputs,
        },
        workspace: source,
        skipPost: true,
        ...(main === undefined ? {} : { main }),
      })
      if (run.exitCode !== 0) throw new Error(`${name} failed:\n${run.maskedLog}`)
      return run.durationMs
    },
    async forget({ host }) {
      await rm(join(host.home, app), { recursive: true, force: true })
      await rm(join(host.home, '.local/state/homelab-deploy', app), { recursive: true, force: true })
    },
  }
}

/** A step with `run:`: shell text that knows `$ssh` (a command), `$to` (the host), `$source` and `$path`. */
function shell(name: string, { shared = false, loopbackOnly = false }, transfer: string): Candidate {
  const app = name.replace(/\W+/g, '-')
  return {
    name,
    loopbackOnly,
    async deploy({ host, address, port, source, folder }) {
      const control = join(folder, 'control')
      const options = [
        ...[
          '-F',
          'none',
          '-i',
          join(folder, 'key'),
          '-p',
          `${port}`,
          '-o',
          'BatchMode=yes',
          '-o',
          'IdentitiesOnly=yes',
        ],
        ...['-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`, '-o', 'StrictHostKeyChecking=yes'],
        ...(shared ? ['-o', 'ControlMaster=auto', '-o', `ControlPath=${control}`, '-o', 'ControlPersist=60'] : []),
      ].join(' ')
      const path = `${host.home}/${app}/live`
      const commands = [...prepare, ...activate].map((command) => `ssh $options $to "cd $path && ${command}"`)
      const values = { options, to: `${host.user}@${address}`, path, source, port: `${port}` }
      const took = await run(['set -e', transfer, ...commands].join('\n'), values)
      if (shared) await run('ssh $options -O exit $to', values)
      return took
    },
    async forget({ host }) {
      await rm(join(host.home, app), { recursive: true, force: true })
    },
  }
}

const makePath = '--rsync-path="mkdir -p $path && rsync"'
const rsync = (options: string) => `rsync ${options} --delete ${makePath} -e "ssh $options" "$source/" "$to:$path/"`
const masterFirst = 'ssh $options $to "mkdir -p $path"\n'

export const rivals: readonly Candidate[] = [
  shell('rsync -az + 5 ssh, one connection', { shared: true }, rsync('-az')),
  shell('rsync -azc + 5 ssh, one connection', { shared: true }, rsync('-azc')),
  shell(
    'tar into ssh + 5 ssh, one connection',
    { shared: true },
    'tar -C "$source" -czf - . | ssh $options $to "mkdir -p $path && tar -C $path -xzf -"',
  ),
  shell('rsync -az + 5 ssh', {}, rsync('-az')),
  shell(
    'scp -r + 5 ssh, one connection',
    { shared: true, loopbackOnly: true },
    `${masterFirst}scp -q -r \${options/ -p / -P } "$source/." "$to:$path/"`,
  ),
  shell(
    'sftp put -r + 5 ssh, one connection',
    { shared: true, loopbackOnly: true },
    `${masterFirst}echo "put -r $source/. $path" | sftp -q -b - \${options/ -p / -P } $to`,
  ),
]

async function run(script: string, env: Record<string, string>): Promise<number> {
  const started = performance.now()
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), 60_000)
  // A connection that is kept open holds stderr: the end is that of the shell.
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve))
  const took = performance.now() - started
  clearTimeout(limit)
  child.stderr.destroy()
  if (code !== 0) throw new Error(`${script}\nended with ${code}: ${said}`)
  return took
}
