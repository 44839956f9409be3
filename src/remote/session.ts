import { randomBytes } from 'node:crypto'
import type { ClientChannel } from 'ssh2'
import { humanDuration } from '../clock.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { quote } from '../shell.ts'
import { endScript } from './end-script.ts'
import { FrameReader } from './frames.ts'
import type { Answer, RunOptions } from './host.ts'
import type { SshConnection } from './ssh.ts'

/** Where tools live on the systems we know; sshd gives a non-login command almost none of these. */
export const remotePath =
  '/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin:/nix/var/nix/profiles/default/bin:/opt/bin:/usr/syno/bin'

const tailLength = 4_000

interface Job {
  readonly options: RunOptions
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  text: string
  tail: string
  code: number | undefined
  /** The two streams end their frames independently. */
  open: number
}

export interface SessionContext {
  readonly log: Log
  /** The host, for messages. */
  readonly name: string
  /** Ends the script that runs when it aborts, except one that has to be finished. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A POSIX shell kept open on one channel, so that a script costs one round trip instead of three. Scripts go in by
 * stdin (never argv), each in a subshell of its own; their answers come back on stdout, framed, and everything that
 * they or their tools print on stderr.
 */
export class Session {
  readonly #connection: SshConnection
  readonly #log: Log
  readonly #name: string
  readonly #shell: string
  readonly #mark = `HD-${randomBytes(12).toString('hex')}`
  #channel: ClientChannel | undefined
  /** The number of the shell, and when it began. */
  #pid = ''
  #job: Job | undefined
  /** Why no script can run any more. */
  #over: unknown
  /** Each stream belongs to scripts only after its first frame; what came before is kept to explain a missing shell. */
  readonly #ready = { stdout: false, stderr: false }
  #noise = ''

  readonly #signal: AbortSignal | undefined

  private constructor(connection: SshConnection, { log, name, signal }: SessionContext, shell: string) {
    this.#shell = shell
    this.#connection = connection
    this.#log = log
    this.#name = name
    this.#signal = signal
  }

  /** `shell` is the command that gives a POSIX shell reading its commands from stdin: `/bin/sh`, or sudo with it. */
  static async open(connection: SshConnection, context: SessionContext, shell = 'exec /bin/sh'): Promise<Session> {
    const session = new Session(connection, context, shell)
    await session.#start()
    return session
  }

  async #start(): Promise<void> {
    const refused = (error: Error) => this.#fail(this.#noShell(error.message))
    const channel = await this.#connection.exec(this.#shell, refused).catch((error: unknown) => {
      throw error instanceof ConnectionLost
        ? error
        : this.#noShell(String(error instanceof Error ? error.message : error))
    })
    this.#channel = channel
    const stdout = new FrameReader(
      this.#mark,
      (text) => this.#onAnswer(text),
      (rest) => this.#onAnswerEnd(rest),
    )
    const stderr = new FrameReader(
      this.#mark,
      (text) => this.#onOutput(text),
      () => this.#onOutputEnd(),
    )
    channel.on('data', (chunk: Buffer) => stdout.push(chunk))
    channel.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    channel.on('error', () => {})
    channel.on('close', (code?: number | null, signal?: string) =>
      this.#onClose(signal ? `signal ${signal}` : typeof code === 'number' ? `exit code ${code}` : ''),
    )
    this.#connection.ended.addEventListener('abort', () => this.#fail(this.#connection.ended.reason), { once: true })
    // Written before anybody answered: the login, the shell and the first script share their round trips.
    channel.write(
      `PATH=${remotePath}:"$PATH"; export PATH; unset CDPATH ENV BASH_ENV; hd_end() { printf '${this.#mark} %s\\n' "$1"; printf '${this.#mark}\\n' >&2; }; read -r hd_line </proc/$$/stat; set -- $\{hd_line##*) }; hd_end "pid $$ $\{20}"; set --\n`,
    )
  }

  /** Whether no script can run any more. */
  get over(): boolean {
    return this.#over !== undefined
  }

  async run(script: string, options: RunOptions): Promise<Answer> {
    if (this.#job !== undefined)
      throw new TypeError(`two scripts at once: ${this.#job.options.label} and ${options.label}`)
    const channel = this.#channel
    if (this.#over !== undefined || channel === undefined) throw this.#over
    const signal = options.evenIfCancelled ? undefined : this.#signal
    signal?.throwIfAborted()
    const { timeoutMs } = options
    const timer =
      timeoutMs === undefined ? undefined : setTimeout(() => void this.#stop(this.#late(options)), timeoutMs)
    const cancel = () => void this.#stop(signal?.reason)
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#job = { options, resolve, reject, text: '', tail: '', code: undefined, open: 2 }
        channel.write(`( exec 3>&1 1>&2 </dev/null\nset -eu\n${script}\n)\nhd_end "$?"\n`)
      })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cancel)
      this.#job = undefined
    }
  }

  close(): void {
    this.#channel?.end()
  }

  /** Ends the running script with all its children, as whoever it runs as. */
  async #stop(why: unknown): Promise<void> {
    const channel = this.#channel
    // What ends now ends for this reason, however the host puts it.
    this.#over ??= why
    try {
      const killer = await this.#connection.exec(`${this.#shell} -c ${quote(`${endScript}hd_end_shell ${this.#pid}`)}`)
      await new Promise((resolve) => killer.on('error', resolve).on('close', resolve).resume())
    } catch {
      // The connection is gone, and with it any way to end something there.
    }
    this.#fail(why)
    channel?.close()
  }

  #late({ label, timeoutMs = 0 }: RunOptions): DeployError {
    return new DeployError(
      'HD-SSH-04',
      `${label} did not finish on ${this.#name} within ${humanDuration(timeoutMs)}.`,
      {
        why: 'It was ended, with everything it had started.',
        fix: 'Look at the last lines of its output; raise the time limit if the work is really that long.',
        detail: lastLines(this.#job?.tail ?? ''),
      },
    )
  }

  #onAnswer(text: string): void {
    if (this.#ready.stdout && this.#job) {
      this.#job.text += text
      this.#job.options.onAnswer?.(text)
    } else this.#noise += text
  }

  #onOutput(text: string): void {
    const job = this.#job
    if (!this.#ready.stderr || job === undefined) {
      this.#noise += text
      return
    }
    job.tail = (job.tail + text).slice(-tailLength)
    if (!job.options.quiet) this.#log.output(this.#name, text)
  }

  #onAnswerEnd(rest: string): void {
    if (!this.#ready.stdout) {
      this.#ready.stdout = true
      this.#pid = rest.replace('pid ', '')
      return
    }
    if (this.#job) this.#job.code = Number(rest)
    this.#streamEnd()
  }

  #onOutputEnd(): void {
    if (this.#ready.stderr) this.#streamEnd()
    this.#ready.stderr = true
  }

  #streamEnd(): void {
    const job = this.#job
    if (job === undefined) return
    job.open -= 1
    if (job.open > 0 || job.code === undefined) return
    if (!job.options.quiet) this.#log.output(this.#name, '')
    job.resolve({ code: job.code, text: job.text, tail: lastLines(job.tail) })
  }

  #onClose(exit: string): void {
    if (!this.#ready.stdout) this.#fail(this.#noShell(exit))
    else
      this.#fail(
        new ConnectionLost(`The shell on ${this.#name} ended in the middle (${exit || 'no exit code'}).`, {
          detail: lastLines(this.#job?.tail ?? ''),
        }),
      )
  }

  #fail(error: unknown): void {
    this.#over ??= error
    this.#channel = undefined
    this.#job?.reject(this.#over)
  }

  #noShell(why: string): DeployError {
    const said = this.#noise.trim().slice(-500)
    return new DeployError('HD-SSH-07', `${this.#name} can log in, but gets no usable shell.`, {
      why:
        [`The shell ended at once (${why || 'no exit code'})`, said && `and said: ${said.split('\n').at(-1)}`]
          .filter(Boolean)
          .join(' ') + '.',
      fix: `Give the user a POSIX shell (\`sudo chsh -s /bin/sh ${this.#name.split('@')[0]}\`), or remove \`command=\` from its authorized_keys line.`,
      detail: said,
    })
  }
}

/** Whole lines only: of a line that was cut, the rest may be the second half of a secret, which nothing can mask. */
function lastLines(tail: string): string {
  return (tail.length < tailLength ? tail : tail.slice(tail.indexOf('\n') + 1)).trim()
}
