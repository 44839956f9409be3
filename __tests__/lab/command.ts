import { spawn } from 'node:child_process'

export interface CommandOptions {
  readonly input?: string | undefined
  readonly env?: NodeJS.ProcessEnv
  /** Shows the output instead of keeping it: for what takes minutes. */
  readonly loud?: boolean
}

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command of this machine; whatever its end is, it is returned. */
export async function attempt(command: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const [file = '', ...args] = command
  return await new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', options.loud ? 'inherit' : 'pipe', options.loud ? 'inherit' : 'pipe'],
      ...(options.env ? { env: options.env } : {}),
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => void out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => void err.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') })
    })
    child.stdin?.on('error', () => {}) // a command that does not read its input
    child.stdin?.end(options.input)
  })
}

/** A command that must succeed; gives its output without the last line feeds. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(command, options)
  if (code === 0) return stdout.replace(/\n+$/, '')
  throw new Error(`${command.slice(0, 8).join(' ')}: ${code === null ? 'killed' : `exit ${code}`}\n${stderr || stdout}`)
}

export async function until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 30_000, everyMs = 10) {
  const end = performance.now() + timeoutMs
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
