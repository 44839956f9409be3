import type { Code } from './codes.ts'

interface Parts {
  /** What was going on underneath, in one sentence. */
  readonly why?: string
  /** What the reader should do now. May span lines when there is something to paste. */
  readonly fix?: string
  /** Evidence for the log and the summary: the last lines of output, never shown in the annotation. */
  readonly detail?: string
  readonly cause?: unknown
}

/** Every failure that a user can see: a stable code, what failed, why, and what to do. */
export class DeployError extends Error {
  override readonly name = 'DeployError'
  readonly code: Code
  readonly what: string
  readonly why: string
  readonly fix: string
  readonly detail: string

  constructor(code: Code, what: string, parts: Parts = {}) {
    super([what, parts.why].filter(Boolean).join(' '), { cause: parts.cause })
    this.code = code
    this.what = what
    this.why = parts.why ?? ''
    this.fix = parts.fix ?? ''
    this.detail = parts.detail ?? ''
  }
}

/**
 * The connection ended and nobody can say what the host did meanwhile. Never success, never failure:
 * whoever catches it reconnects and asks the host.
 */
export class ConnectionLost extends DeployError {
  constructor(what: string, parts: Parts = {}) {
    super('HD-SSH-05', what, {
      fix: 'Check the network, and sshd on the host (`journalctl -u ssh -n 20`). Then run the job again: it asks the host first, and settles what was left in the middle.',
      ...parts,
    })
  }
}

/** The job was cancelled (SIGINT, SIGTERM). */
export class Cancelled extends DeployError {
  constructor(signal: string) {
    super('HD-CANCEL-01', `The job was cancelled (${signal}).`, {
      why: 'GitHub sends SIGINT when somebody cancels a run, and when a step reaches its time limit.',
      fix: 'Run the job again when you are ready: the host was left in one known state, shown in the summary.',
    })
  }
}

/** Anything thrown, as a DeployError: what nobody foresaw becomes HD-INTERNAL-01. */
export function toDeployError(thrown: unknown): DeployError {
  if (thrown instanceof DeployError) return thrown
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  return new DeployError('HD-INTERNAL-01', `Unexpected: ${error.message}`, {
    why: 'This is a fault in homelab-deploy itself, not in your set-up.',
    fix: 'Please report it with the lines below.',
    detail: error.stack ?? String(thrown),
    cause: thrown,
  })
}
