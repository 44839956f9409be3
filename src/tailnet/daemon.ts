import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, copyFile, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Deadline, sleep } from '../clock.ts'
import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { cleanEnvironment } from '../runner/exec.ts'
import { findPrograms } from './binary.ts'
import { LocalApi } from './local-api.ts'
import type { BinarySource } from './options.ts'

/**
 * The keeper of the daemon: it starts it, waits until the pipe that it holds ends, logs out, ends the daemon,
 * and takes the folder away. Whether main closes the pipe or dies of `kill -9` is the same to it, so there is one way
 * to leave. It is started by a shell that ends at once: nobody's child, it survives the end of main's process tree.
 */
const keeper = `dir=$1 bin=$2; shift 2
trap : TERM INT HUP
"$bin/tailscaled" "$@" </dev/null >"$dir/log" 2>&1 3<&- &
daemon=$!
cat <&3 >/dev/null &
pipe=$!
echo "$daemon $$" >"$dir/pids"
wait "$pipe"
trap '' TERM INT HUP
kill "$pipe" 2>/dev/null
# Not every sleep knows fractions.
nap() { sleep 0.1 2>/dev/null || sleep 1; }
ends() { n=$2; while kill -0 "$1" 2>/dev/null; do [ "$n" -gt 0 ] || { kill -KILL "$1"; return; }; n=$((n - 1)); nap; done; }
n=50
while [ -e "$dir/key" ] && [ "$n" -gt 0 ] && ! "$bin/tailscale" --socket="$dir/socket" status >/dev/null 2>&1; do
  n=$((n - 1)); nap
done
"$bin/tailscale" --socket="$dir/socket" logout </dev/null >/dev/null 2>&1 3<&- &
ends $! 50
kill -TERM "$daemon" 2>/dev/null
ends "$daemon" 60
rm -rf "$dir"
`

/** Who the daemon runs as when it would be root beside another one: so it cannot touch what that one set up. */
const nobody = { uid: 65_534, gid: 65_534 }

/** What a daemon needs to know of the world: the way out. */
const waysOut = [
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'NO_PROXY',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
]

/** Our own tailscaled: in userspace, without root, its state in memory, its socket in a private folder. */
export class Daemon implements AsyncDisposable {
  readonly folder: string
  readonly programs: string
  readonly api: LocalApi
  readonly #pipe: Socket

  private constructor(folder: string, programs: string, pipe: Socket) {
    this.folder = folder
    this.programs = programs
    this.api = new LocalApi(join(folder, 'socket'))
    this.#pipe = pipe
  }

  static async start(
    source: BinarySource,
    options: {
      log: Log
      signal: AbortSignal | undefined
      /** Told where the daemon lives, before it does. */
      remember: (folder: string) => void
      /** There is another daemon on this machine. */
      beside: boolean
      uploadLogs: boolean
    },
  ): Promise<Daemon> {
    // Not in RUNNER_TEMP: the path of a socket ends at 107 bytes.
    const folder = await mkdtemp(join(tmpdir(), 'hd-tailnet-'))
    options.remember(folder)
    try {
      const found = await findPrograms(source, folder, options)
      const user = options.beside && process.getuid?.() === 0 ? nobody : undefined
      const programs = user ? await handOver(found, folder, user) : found
      const daemon = new Daemon(folder, programs, keep(folder, programs, options.uploadLogs, user))
      await daemon.#answers(options.signal).catch(async (error: unknown) => {
        await daemon[Symbol.asyncDispose]()
        throw error
      })
      return daemon
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Its last lines, for messages. */
  async lastWords(): Promise<string> {
    const text = await readFile(join(this.folder, 'log'), 'utf8').catch(() => '')
    return text.trim().split('\n').slice(-20).join('\n')
  }

  async alive(): Promise<boolean> {
    const [pid = ''] = (await readFile(join(this.folder, 'pids'), 'utf8').catch(() => '')).split(' ')
    const state = pid && (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))
    return state !== '' && !/\) [ZX] /.test(state)
  }

  /**
   * A file that only we, and root, can read, for as long as the work takes. When the work is broken off it stays for the
   * keeper to see: then a login may be on its way, and is waited for, or its node would come when nobody is there to log
   * it out.
   */
  async withFile<T>(text: string, work: (file: string) => Promise<T>): Promise<T> {
    const file = join(this.folder, 'key')
    await writeFile(file, text, { mode: 0o600, flag: 'wx' })
    const result = await work(file)
    await rm(file, { force: true })
    return result
  }

  async #answers(signal: AbortSignal | undefined): Promise<void> {
    for (const deadline = new Deadline(15_000); ; await sleep(50, signal)) {
      try {
        await this.api.status({ timeoutMs: 2_000, signal })
        return
      } catch (error) {
        signal?.throwIfAborted()
        const started = (await readFile(join(this.folder, 'pids'), 'utf8').catch(() => '')) !== ''
        if (deadline.passed || (started && !(await this.alive()))) throw await this.#mute(error)
      }
    }
  }

  async #mute(cause: unknown): Promise<DeployError> {
    const detail = await this.lastWords()
    return new DeployError('HD-TAILNET-03', 'tailscaled did not start on the runner.', {
      why: detail.split('\n').at(-1) || (cause instanceof Error ? cause.message : String(cause)),
      fix: 'Its last lines are in the log. Where programs may not be run from the temporary folder, set TMPDIR for the runner.',
      detail,
      cause,
    })
  }

  /** Closes the pipe; the keeper does the rest, and closes its own end when it is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pipe.destroyed) return
    const gone = once(this.#pipe, 'close', { signal: AbortSignal.timeout(15_000) }).catch(() => {})
    this.#pipe.end()
    await gone
    await rm(this.folder, { recursive: true, force: true })
  }
}

function keep(folder: string, programs: string, uploadLogs: boolean, user: typeof nobody | undefined): Socket {
  const words = [
    ...[
      '--tun=userspace-networking',
      '--port=0',
      '--state=mem:',
      `--statedir=${folder}`,
      `--socket=${join(folder, 'socket')}`,
    ],
    // Nobody of Tailscale's looks at the logs of a network that is not theirs.
    ...(uploadLogs ? [] : ['--no-logs-no-support']),
  ]
  const outside = waysOut.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))
  // Without RUNNER_TRACKING_ID the runner does not kill it at the end of the job, before it could log out.
  const env = { ...cleanEnvironment(), ...Object.fromEntries(outside), HOME: folder, TS_LOGS_DIR: folder }
  const child = spawn('/bin/sh', ['-c', '"$@" &', 'sh', '/bin/sh', '-c', keeper, 'sh', folder, programs, ...words], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    ...user,
  })
  child.on('error', () => {})
  // Not its standard input: that one Node would close when the first shell ends.
  return (child.stdio[3] as Socket).on('error', () => {}).resume()
}

async function handOver(programs: string, folder: string, { uid, gid }: typeof nobody): Promise<string> {
  for (const name of ['tailscale', 'tailscaled'])
    if (programs !== folder) await copyFile(join(programs, name), join(folder, name))
  await using log = await open(join(folder, 'log'), 'w')
  await log.chown(uid, gid)
  await chown(folder, uid, gid)
  return folder
}
