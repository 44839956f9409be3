import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { ServerChannel } from 'ssh2'
import type { CommandRecord, FaultPlan } from './faults.ts'
import type { PipeMaker } from './pipes.ts'
import { signal } from './processes.ts'

const kept = 1 << 20

/** What an account is on the host: which shell sshd would start for it, where, and as whom. */
export interface Account {
  readonly shell: string
  /** Before the command: a login shell's `-c`. */
  readonly shellArgs: readonly string[]
  readonly home: string
  readonly env: Record<string, string>
  readonly ids: { readonly uid: number; readonly gid: number } | undefined
  /** Printed to stdout before anything else, like an `echo` in somebody's .bashrc. */
  readonly noise: string
}

/**
 * One command on one channel, as sshd without a pty does it: real pipes, a session of its own, the exit status sent as
 * soon as the process ends, the channel closed once nobody holds the pipes any more. When the channel or the connection
 * goes away the pipes are closed and nothing is killed. `hold` lets input through only where the network still works.
 */
export function runOnChannel(
  channel: ServerChannel,
  record: CommandRecord,
  account: Account,
  pipes: PipeMaker,
  faults: FaultPlan,
  hold: (go: () => void) => void,
): { signal(name: string): void; hangUp(): void } {
  const stdin = pipes.make('to-child')
  const stdout = pipes.make('from-child')
  const stderr = pipes.make('from-child')
  const shell = record.command === '' ? [] : [...account.shellArgs, record.command]
  const child = spawn(account.shell, shell, {
    cwd: account.home,
    env: account.env,
    detached: true, // setsid: a group of its own, so that a signal reaches the whole pipeline
    stdio: [stdin.inner, stdout.inner, stderr.inner],
    ...account.ids,
  })
  for (const { inner } of [stdin, stdout, stderr]) closeSync(inner)
  const ends = [stdin.outer, stdout.outer, stderr.outer]
  const hangUp = () => {
    for (const end of ends) end.destroy()
  }
  for (const end of ends) end.on('error', () => {})
  if (child.pid !== undefined) record.pid = child.pid

  if (account.noise !== '') channel.write(account.noise)
  feed(channel, stdin.outer, record, faults, hold)
  const drained = Promise.all([
    pour(stdout.outer, channel, (text) => note(record, 'stdout', text, faults)),
    pour(stderr.outer, channel.stderr, (text) => note(record, 'stderr', text, faults)),
  ])

  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve()) // the shell could not be started: sshd closes without a status
    child.once('exit', (code, name) => {
      Object.assign(record, { code, signal: name, endedAt: Date.now() })
      faults.at('exit', record)
      try {
        if (name) channel.exit(name)
        else channel.exit(code ?? 255)
      } catch {
        // a signal that SSH has no name for, or a channel that is gone
      }
      resolve()
    })
  })
  void Promise.all([ended, drained]).then(() => channel.end())
  channel.on('close', hangUp)
  return {
    signal: (name) =>
      void (child.pid !== undefined && signal(-child.pid, `SIG${name.replace(/^SIG/, '')}` as NodeJS.Signals)),
    hangUp,
  }
}

function note(record: CommandRecord, stream: 'stdin' | 'stdout' | 'stderr', text: Buffer, faults: FaultPlan): void {
  if (record[stream].length < kept) record[stream] += text.toString('utf8').slice(0, kept - record[stream].length)
  if (stream !== 'stdin') faults.output(record)
}

/** Client to process. What the process does not want to read any more is thrown away, as sshd does. */
function feed(
  channel: ServerChannel,
  stdin: Socket,
  record: CommandRecord,
  faults: FaultPlan,
  hold: (go: () => void) => void,
): void {
  stdin.once('close', () => channel.resume())
  channel.on('data', (chunk: Buffer) => {
    note(record, 'stdin', chunk, faults)
    faults.at('input', record)
    hold(() => {
      if (stdin.destroyed) return
      if (!stdin.write(chunk) && !channel.isPaused()) {
        channel.pause()
        stdin.once('drain', () => channel.resume())
      }
      faults.at('started', record)
    })
  })
  channel.on('end', () => hold(() => stdin.end()))
}

/** Process to client, never faster than the client reads. Resolves when everything was handed over. */
async function pour(from: Socket, to: ServerChannel | ServerChannel['stderr'], seen: (text: Buffer) => void) {
  await new Promise<void>((resolve) => {
    from.on('data', (chunk) => {
      if (!to.writable) return
      const flowing = to.write(chunk)
      seen(chunk)
      if (flowing) return
      from.pause()
      to.once('drain', () => from.resume())
    })
    from.once('end', () => to.write(Buffer.alloc(0), () => resolve()))
    from.once('close', () => resolve())
  })
}
