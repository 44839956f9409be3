import { DeployError } from '../errors.ts'
import { sh } from '../shell.ts'
import type { Host } from './host.ts'

/**
 * A folder for those who may change nothing: in the memory of the host where it can be. It lives as long as a channel
 * does, so that it also goes when the runner is lost.
 */
const keep = sh`
umask 077
scratch=
for folder in /dev/shm "\${XDG_RUNTIME_DIR-}" "\${TMPDIR-}" /tmp; do
  if [ -n "$folder" ] && [ -d "$folder" ] && [ -w "$folder" ] && scratch=$(mktemp -d "$folder/homelab-deploy.XXXXXX" 2>/dev/null); then break; fi
done
[ -n "$scratch" ] || exit 1
trap '' HUP INT TERM PIPE
printf '%s\n' "$scratch"
cat >/dev/null
# What still writes there ends with the connection as well.
rm -rf "$scratch" 2>/dev/null || { sleep 1; rm -rf "$scratch"; }
`

export interface Scratch extends AsyncDisposable {
  readonly path: string
}

export async function openScratch(host: Host): Promise<Scratch> {
  const pipe = await host.pipe(keep)
  pipe.stderr.resume()
  const said = Promise.withResolvers<string>()
  let text = ''
  pipe.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text.endsWith('\n')) said.resolve(text.trim())
  })
  const failed = pipe.exit.then(() => {
    throw new DeployError('HD-PATH-04', `There is no folder on ${host.name} to look at things in.`, {
      why: 'Neither /dev/shm nor /tmp can be written to.',
      fix: 'Look for a disk that is full, or mounted read-only: `df -h /tmp`, `df -i /tmp`.',
    })
  })
  failed.catch(() => {})
  const path = await Promise.race([said.promise, failed])
  return {
    path,
    async [Symbol.asyncDispose]() {
      pipe.stdin.end()
      await pipe.exit.catch(() => {})
    },
  }
}
