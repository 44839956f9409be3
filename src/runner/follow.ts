import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface Followed {
  /** Undefined when it was ended by a signal, or could not be started. */
  readonly code: number | undefined
  readonly stdout: string
  /** The last lines of all that it printed. */
  readonly tail: string
  /** Nothing of that name is installed. */
  readonly missing: boolean
}

/**
 * Ends the tool, with all it started, when this process is gone: then the pipe that it holds ends, also after `kill -9`. A tool that
 * went on alone could change a host after the host has taken the change back.
 */
const supervisor = `command -v "$0" >/dev/null 2>&1 || exit 127
exec 3<&0
"$0" "$@" </dev/null 3<&- &
tool=$!
(read -r _ <&3; kill -s TERM 0) >/dev/null 2>&1 &
watcher=$!
wait "$tool"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"`

/**
 * Runs a tool on the runner that takes long, and shows each line as it comes. When `signal` aborts, it ends with all that it
 * started: a session of its own is what can be ended as a whole.
 */
export async function followTool(
  tool: string,
  args: readonly string[],
  { cwd, env, signal, onLine }: FollowOptions,
): Promise<Followed> {
  signal?.throwIfAborted()
  const words = ['-c', supervisor, tool, ...args]
  const child = spawn('/bin/sh', words, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {})
  const end = () => endGroup(child.pid)
  signal?.addEventListener('abort', end, { once: true })
  const stdout: string[] = []
  const tail: string[] = []
  const read = (stream: Readable, lines?: string[]) => {
    createInterface({ input: stream }).on('line', (line) => {
      lines?.push(line)
      if (lines !== undefined) return
      tail.push(line)
      if (tail.length > 60) tail.shift()
      onLine?.(line)
    })
  }
  read(child.stdout, stdout)
  read(child.stderr)
  try {
    return await new Promise<Followed>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) =>
        resolve({
          code: code ?? undefined,
          stdout: stdout.join('\n'),
          tail: tail.join('\n'),
          missing: code === 127,
        }),
      )
    })
  } finally {
    signal?.removeEventListener('abort', end)
    signal?.throwIfAborted()
  }
}

interface FollowOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  readonly onLine?: (line: string) => void
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal)
    } catch {
      // It is gone.
    }
  }
  send('SIGTERM')
  setTimeout(() => send('SIGKILL'), 2_000).unref()
}
