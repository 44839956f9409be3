import { DeployError } from '../errors.ts'
import { exits } from './kit.ts'

/** What the scripts of the data said of themselves, among all that a phase printed. */
interface Said {
  readonly notes: readonly string[]
  readonly warnings: readonly string[]
}

export function saidOf(output: string): Said {
  const lines = [...output.matchAll(/^homelab-deploy: (.+)$/gm)].map(([, text = '']) => text)
  const mark = 'warning: '
  return {
    notes: lines.filter((line) => !line.startsWith(mark)),
    warnings: lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length)),
  }
}

export const fixes: Readonly<Record<(typeof exits)[keyof typeof exits], string>> = {
  'HD-DATA-01': 'Nothing was changed. Mend what it names, or change the line of `backup`.',
  'HD-DATA-02': 'Nothing was changed. Look at the disk of the host and at the data itself before the next deploy.',
  'HD-DATA-03': 'Nothing was changed. Install the tool that it names.',
  'HD-DATA-04': 'Nothing was changed. Free some space on the host (`df -h`), or lower `keep=` and deploy again.',
  'HD-DATA-05':
    'The migration may be half-done, and the data as it left it, unless the summary says that it was restored. The next deploy runs it again: make it safe to repeat.',
  'HD-DATA-06': 'Nothing was changed. Go back without `rollback: data`, or restore a backup by hand (docs/data.md).',
  'HD-DATA-07': 'What is there was kept beside the backups. docs/data.md shows how to restore one by hand.',
}

/** The error of a phase that concerns the data; undefined for any other. */
export function dataFailed(host: string, phase: string, exit: number, output: string): DeployError | undefined {
  if (phase !== 'backup' && phase !== 'data' && phase !== 'migrate') return undefined
  const code =
    phase === 'migrate'
      ? 'HD-DATA-05'
      : (exits[exit as keyof typeof exits] ?? (phase === 'data' ? 'HD-DATA-07' : 'HD-DATA-01'))
  const whats = {
    backup: `The backup failed on ${host}.`,
    data: `The data of the older release could not be brought back on ${host}.`,
    migrate: `\`migrate\` ended with exit code ${exit} on ${host}.`,
  }
  return new DeployError(code, whats[phase], {
    why: output.trim().split('\n').at(-1) || (code === 'HD-DATA-04' ? 'The disk was full before it was written.' : ''),
    fix: fixes[code],
    detail: output,
  })
}
