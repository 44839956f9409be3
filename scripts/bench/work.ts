import { randomBytes } from 'node:crypto'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What every candidate runs on the host once the files are there: three commands, a restart, a check. */
export const prepare = ['wc -l d0/f0 >/dev/null', 'ls >/dev/null', 'uname >/dev/null']
export const activate = ['touch ../restarted', 'test -e ../restarted']

/** A checkout of CI: every file is as old as the job. */
export class Checkout {
  readonly root: string
  readonly #files: string[] = []

  constructor(root: string) {
    this.root = root
  }

  /** Random bytes in hexadecimal: like code, they compress somewhat. */
  async fill(count: number, size: number): Promise<void> {
    for (let folder = 0; folder * 50 < count; folder++) {
      await mkdir(join(this.root, `d${folder}`), { recursive: true })
      for (let n = folder * 50; n < Math.min(count, folder * 50 + 50); n++) {
        this.#files.push(join(this.root, `d${folder}`, `f${n}`))
        await writeFile(this.#files.at(-1) as string, text(size))
      }
    }
  }

  /** New content of the same size in some of the files, spread over the tree. */
  async change(count: number, size: number): Promise<void> {
    const step = Math.floor(this.#files.length / count)
    for (let n = 0; n < count; n++) await writeFile(this.#files[n * step] as string, text(size))
  }

  async refresh(): Promise<void> {
    const now = new Date()
    for (const entry of await readdir(this.root, { recursive: true })) await utimes(join(this.root, entry), now, now)
  }
}

function text(size: number): string {
  return randomBytes(size / 2).toString('hex')
}
