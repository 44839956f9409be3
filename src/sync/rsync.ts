import type { Host } from '../remote/host.ts'
import { openTunnel } from '../remote/tunnel.ts'
import { runTool } from '../runner/exec.ts'
import { refuseHalf, transferFailed } from './compare.ts'
import type { Entry } from './manifest.ts'
import type { Places } from './script.ts'

/**
 * Sends the entries with rsync, through the connection that is open. The live tree serves as the basis, so of a large
 * file that changed a little only the difference travels. Which entries are needed was found out before: here rsync
 * neither looks at times nor deletes.
 */
export async function sendRsync(
  host: Host,
  places: Places,
  source: string,
  entries: readonly Entry[],
  { temp, signal, onProgress }: { temp: string; signal?: AbortSignal | undefined; onProgress: (text: string) => void },
): Promise<number> {
  await using tunnel = await openTunnel(host, temp, signal)
  const { code, stdout, stderr } = await runTool(
    'rsync',
    [
      ...[
        '--links',
        '--perms',
        '--dirs',
        '--ignore-times',
        '--compress',
        '--stats',
        '--info=progress2',
        '--from0',
        '--files-from=-',
        '--protect-args',
      ],
      ...[`--copy-dest=${places.path}`, '--rsh', tunnel.command, `${source}/`, `host:${places.release}/tree/`],
    ],
    {
      input: Buffer.from(entries.map(({ name }) => `${name}\0`).join('')),
      onOutput: (text) => {
        const news = howFar(text, entries.length)
        if (news !== '') onProgress(news)
      },
    },
  )
  refuseHalf(host, signal)
  if (code !== 0) throw transferFailed(host, 'rsync failed.', `${stderr}\n${tunnel.errors().text}`.trim())
  return Number(/Total bytes sent: ([\d,]+)/.exec(stdout)?.[1]?.replaceAll(',', '') ?? 0)
}

/** From what `--info=progress2` says over and over on one line: `1,234,567  45%  3.21MB/s  0:00:04 (xfr#5, to-chk=9/20)`. */
export function howFar(text: string, files: number): string {
  const [, bytes = '', percent = ''] = [...text.matchAll(/([\d,]+) +(\d+)% /g)].at(-1) ?? []
  if (percent === '') return ''
  const done = [...text.matchAll(/xfr#(\d+)/g)].at(-1)?.[1]
  const size = `${(Number(bytes.replaceAll(',', '')) / 1e6).toFixed(1)} MB by rsync (${percent} %)`
  return done === undefined ? size : `${done} of ${files} files, ${size}`
}
