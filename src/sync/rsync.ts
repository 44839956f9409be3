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
  { temp, signal }: { temp: string; signal?: AbortSignal | undefined },
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
        '--from0',
        '--files-from=-',
        '--protect-args',
      ],
      ...[`--copy-dest=${places.path}`, '--rsh', tunnel.command, `${source}/`, `host:${places.release}/tree/`],
    ],
    { input: Buffer.from(entries.map(({ name }) => `${name}\0`).join('')) },
  )
  refuseHalf(host, signal)
  if (code !== 0) throw transferFailed(host, 'rsync failed.', `${stderr}\n${tunnel.errors().text}`.trim())
  return Number(/Total bytes sent: ([\d,]+)/.exec(stdout)?.[1]?.replaceAll(',', '') ?? 0)
}
