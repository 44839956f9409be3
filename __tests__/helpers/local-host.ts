import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Answer, Host, Pipe } from '../../src/remote/host.ts'

/** A shell of this machine: what it is called, how it is started, and the PATH it sees. */
export interface Shell {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly path: string
  readonly busybox: boolean
}

/** The POSIX shells that hosts have and that are installed here. A BusyBox host has nothing but its applets. */
export function shells(): Shell[] {
  const found: Shell[] = []
  const path = process.env['PATH'] ?? '/usr/bin:/bin'
  if (existsSync('/usr/bin/dash')) found.push({ name: 'dash', command: ['/usr/bin/dash'], path, busybox: false })
  if (existsSync('/usr/bin/bash'))
    found.push({ name: 'bash', command: ['/usr/bin/bash', '--posix'], path, busybox: false })
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync)
  if (busybox) {
    const applets = mkdtempSync(join(tmpdir(), 'homelab-busybox-'))
    process.once('exit', () => rmSync(applets, { recursive: true, force: true }))
    for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean))
      symlinkSync(busybox, join(applets, applet))
    found.push({ name: 'BusyBox ash', command: [join(applets, 'sh')], path: applets, busybox: true })
  }
  return found
}

/** A Host without SSH: scripts run in a shell of this machine, framed like on a real one. */
export class LocalHost implements Host {
  readonly name = 'local'
  readonly hostKey = ''
  readonly hostKeyLine = ''
  readonly ended = new AbortController().signal
  readonly #shell: Shell

  constructor(shell: Shell) {
    this.#shell = shell
  }

  async run(script: string): Promise<Answer> {
    const child = this.#start(['-s'])
    const answer = text(child.stdio[3] as NodeJS.ReadableStream)
    const output = text(child.stderr as NodeJS.ReadableStream)
    child.stdin?.end(`( exec 1>&2 </dev/null\nset -eu\n${script}\n)\nexit $?\n`)
    const code = await exitOf(child)
    return { code, text: await answer, tail: (await output).trim() }
  }

  async pipe(command: string): Promise<Pipe> {
    const child = this.#start(['-c', command])
    return {
      stdin: child.stdin as never,
      stdout: child.stdout as never,
      stderr: child.stderr as never,
      exit: exitOf(child),
      close: () => void child.kill(),
    }
  }

  #start(args: string[]): ChildProcess {
    const [program, ...first] = this.#shell.command
    return spawn(program, [...first, ...args], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { PATH: this.#shell.path, HOME: tmpdir() },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve(code ?? 255)))
}
