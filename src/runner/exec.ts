import { getExecOutput } from '@actions/exec'

export interface ToolResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a tool on the runner. Its environment holds nothing of ours: the inputs, and with them every secret, are in
 * the environment of the action, and a child would inherit them.
 */
export async function runTool(
  tool: string,
  args: readonly string[],
  options: {
    cwd?: string
    env?: Record<string, string>
    input?: Buffer
    onOutput?: (text: string) => void
    onErrorOutput?: (text: string) => void
  } = {},
): Promise<ToolResult> {
  const { exitCode, stdout, stderr } = await getExecOutput(tool, [...args], {
    silent: true,
    ignoreReturnCode: true,
    env: { ...cleanEnvironment(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? {} : { input: options.input }),
    listeners: {
      stdout: (chunk) => options.onOutput?.(chunk.toString()),
      stderr: (chunk) => options.onErrorOutput?.(chunk.toString()),
    },
  })
  return { code: exitCode, stdout, stderr }
}

export function cleanEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TMPDIR', 'USER']
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}
