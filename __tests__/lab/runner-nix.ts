import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureLayers } from './layers.ts'
import { realColmena } from './real-colmena.ts'

/** The programs of the image that the runner calls. */
const programs = ['nix', 'nix-store', 'nix-instantiate', 'colmena']

/** The real Nix of the lab's image, and colmena or the stand-in for it, for jobs: with a store of their own, and with nothing installed on this machine. */
export class RunnerNix implements AsyncDisposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** For PATH. */
  get bin(): string {
    return join(this.folder, 'bin')
  }

  /** The store as this machine sees it; to Nix it is /nix. */
  get store(): string {
    return join(this.folder, 'nix/store')
  }

  static async create({ colmena = true } = {}): Promise<RunnerNix> {
    const lower = (await ensureLayers(['nix'])).join(':')
    const nix = new RunnerNix(await mkdtemp(join(tmpdir(), 'lab-runner-nix-')))
    const { folder } = nix
    for (const name of ['bin', 'root', 'nix', 'home', 'own']) await mkdir(join(folder, name))
    await copyFile(realColmena?.program ?? join(import.meta.dirname, 'colmena.py'), join(folder, 'own/colmena'))
    await copyFile(join(import.meta.dirname, 'hive/colmena/eval.nix'), join(folder, 'own/eval.nix'))
    await chmod(join(folder, 'own/colmena'), 0o755)
    for (const name of programs.filter((each) => colmena || each !== 'colmena')) {
      await writeFile(nix.program(name), enter(folder, lower), { mode: 0o755 })
    }
    return nix
  }

  program(name: string): string {
    return join(this.bin, name)
  }

  run(name: string, ...args: string[]): string {
    return execFileSync(this.program(name), args, { encoding: 'utf8' }).trim()
  }

  /** Files of the store that hold this text. */
  secretsInStore(text: string): string[] {
    const { stdout } = spawnSync('grep', ['-rl', text, this.store], { encoding: 'utf8' })
    return stdout.split('\n').filter((line) => line !== '')
  }

  async [Symbol.asyncDispose]() {
    // The store is read-only for everybody but root.
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** In a mount namespace of its own, which ends with the program: no mount is ever left behind. */
function enter(folder: string, lower: string): string {
  return `#!/bin/sh
exec unshare --mount --propagation private /bin/sh -euc '
  folder=$1 name=$2; shift 2
  root=$folder/root
  mount -t overlay overlay -o ro,lowerdir=${lower} "$root"
  mount --bind "$folder/nix" "$root/nix"
  for each in tmp proc dev; do mount --rbind "/$each" "$root/$each"; done
  [ -d "$root$PWD" ] || cd /
  exec chroot "$root" /usr/bin/env -C "$PWD" HOME="$folder/home" PATH="$folder/own:/usr/local/bin:/usr/bin:/bin" "$name" "$@"
' sh ${folder} "\${0##*/}" "$@"
`
}
