import { spawn } from 'node:child_process'
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Socket } from 'node:net'

const batch = 30

/**
 * Real pipes for child processes, as sshd gives them. Node gives its children sockets, and there /dev/stdin and
 * /dev/stdout cannot be opened; a FIFO opened a second time may block. Node has no pipe(2), so a shell makes a batch,
 * as the user who will own them, and we take them over through /proc. Linux only.
 */
export class PipeMaker {
  readonly #ids: { uid: number; gid: number } | undefined
  /** Each open for both directions, so that it lives. */
  #ready: number[] = []

  constructor(ids: { uid: number; gid: number } | undefined) {
    this.#ids = ids
  }

  /** `inner` is the child's end (blocking), `outer` is ours. The caller closes `inner` once the child runs. */
  make(direction: 'to-child' | 'from-child'): { inner: number; outer: Socket } {
    if (this.#ready.length === 0) this.#ready = takePipes(this.#ids)
    const hold = this.#ready.pop() as number
    const path = `/proc/self/fd/${hold}`
    const toChild = direction === 'to-child'
    const inner = openSync(path, toChild ? constants.O_RDONLY : constants.O_WRONLY)
    const fd = openSync(path, (toChild ? constants.O_WRONLY : constants.O_RDONLY) | constants.O_NONBLOCK)
    closeSync(hold)
    return { inner, outer: new Socket({ fd, readable: !toChild, writable: toChild }) }
  }

  close() {
    for (const fd of this.#ready.splice(0)) closeSync(fd)
  }
}

/** Takes about 15 ms, without leaving the current turn of the event loop: the order of things stays simple. */
function takePipes(ids: { uid: number; gid: number } | undefined): number[] {
  const script = `for i in {1..${batch}}; do exec {fd}<> <(:); done; exec sleep 60`
  const helper = spawn('bash', ['-c', script], { stdio: 'ignore', cwd: '/', ...ids })
  helper.on('error', () => {})
  const folder = `/proc/${helper.pid}/fd`
  const sleeper = new Int32Array(new SharedArrayBuffer(4))
  try {
    for (let tries = 5_000; readFileSync(`/proc/${helper.pid}/comm`, 'utf8') !== 'sleep\n'; tries--) {
      if (tries === 0) throw new Error('the shell that makes pipes did not come up')
      Atomics.wait(sleeper, 0, 0, 1)
    }
    // Whatever it inherited from us is not of its making.
    const ours = new Set(pipesIn('/proc/self/fd').map(({ pipe }) => pipe))
    const made = pipesIn(folder).filter(({ pipe }) => !ours.has(pipe))
    return made.map(({ fd }) => openSync(`${folder}/${fd}`, constants.O_RDWR))
  } finally {
    helper.kill('SIGKILL')
  }
}

function pipesIn(folder: string): { fd: string; pipe: string }[] {
  return readdirSync(folder).flatMap((fd) => {
    try {
      const pipe = readlinkSync(`${folder}/${fd}`)
      return pipe.startsWith('pipe:') ? [{ fd, pipe }] : []
    } catch {
      return [] // the handle by which the folder itself was read
    }
  })
}
