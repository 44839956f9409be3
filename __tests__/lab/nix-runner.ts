import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quote } from '../../src/shell.ts'
import { ensureLayers } from './layers.ts'
import { hostsFolder } from './paths.ts'

/** A runner with the real Nix, which this machine may lack: that of the hosts' image, with a store of its own. */
export async function runnerWithNix(): Promise<AsyncDisposable & { readonly bin: string }> {
  await mkdir(hostsFolder, { recursive: true })
  const folder = await mkdtemp(join(hostsFolder, '.runner-'))
  const at = (name: string) => join(folder, name)
  for (const name of ['bin', 'upper', 'work', 'root']) await mkdir(at(name))
  const lower = (await ensureLayers(['nix'])).join(':')
  const options = `lowerdir=${lower},upperdir=${at('upper')},workdir=${at('work')}`
  const inside = `mount -t overlay overlay -o ${quote(options)} ${at('root')}
for each in proc dev tmp; do mount --rbind /$each ${at('root')}/$each; done
exec chroot ${at('root')} /bin/sh -c 'cd "$0" && exec nix "$@"' "$PWD" "$@"`
  await writeFile(
    at('bin/nix'),
    `#!/bin/sh\nexec unshare --mount --propagation slave /bin/sh -euc ${quote(inside)} nix "$@"\n`,
  )
  await chmod(at('bin/nix'), 0o755)
  return {
    bin: at('bin'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
