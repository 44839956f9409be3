import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Scratch extends AsyncDisposable {
  readonly path: string
}

/** A folder of its own for one test, gone when the test ends. */
export async function scratch(name = 'test', owner?: { uid: number; gid: number }): Promise<Scratch> {
  const path = await mkdtemp(join(tmpdir(), `homelab-${name}-`))
  if (owner) await chown(path, owner.uid, owner.gid)
  return {
    path,
    // Retries: a process that is just being killed may still create a file.
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  }
}
