import type { Duplex, Readable } from 'node:stream'

/** What a script gave back. */
export interface Answer {
  readonly code: number
  /** What it wrote to file descriptor 3: the answer, free of anybody's chatter. */
  readonly text: string
  /** The last lines of what it and its tools printed, for messages. */
  readonly tail: string
}

export interface RunOptions {
  /** After this many milliseconds the script and all its children are ended, and HD-SSH-04 thrown. */
  readonly timeoutMs?: number
  /** A word or two for the log and for messages: `facts`, `prepare`. */
  readonly label: string
  /** Whether its output is shown as it comes. */
  readonly quiet?: boolean
  /** The answer as it comes, for scripts that run long. */
  readonly onAnswer?: (text: string) => void
  /** Goes on when the job is cancelled: what puts things back. */
  readonly evenIfCancelled?: boolean
}

/** A command with its own three streams, beside the scripts. */
export interface Pipe {
  readonly stdin: Duplex
  readonly stdout: Readable
  readonly stderr: Readable
  /** The exit code; rejects with ConnectionLost when nobody can know it. */
  readonly exit: Promise<number>
  /** Ends it from our side. */
  close(): void
}

/** A machine that runs POSIX shell text. Nothing above this line knows about SSH. */
export interface Host extends AsyncDisposable {
  /** For people: `deploy@nas`. */
  readonly name: string
  /** `ssh-ed25519 SHA256:…` */
  readonly hostKey: string
  /** The known_hosts line of the key that was verified. */
  readonly hostKeyLine: string
  /** Runs a script and waits for its end, whatever its exit code. One script after another. */
  run(script: string, options: RunOptions): Promise<Answer>
  /** Starts a command of its own, in parallel to the scripts. */
  pipe(command: string): Promise<Pipe>
  /** Aborts, with a ConnectionLost as its reason, when the connection is gone. */
  readonly ended: AbortSignal
}
