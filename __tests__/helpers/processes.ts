import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** One process as /proc shows it. Linux only: elsewhere these lists are empty. */
export interface Process {
  readonly pid: number
  readonly argv: string[]
  readonly env: string[]
}

function words(path: string): string[] {
  try {
    return readFileSync(path, 'latin1')
      .split('\0')
      .slice(0, -1)
      .map((word) => Buffer.from(word, 'latin1').toString('utf8'))
  } catch {
    return [] // it has ended, or belongs to somebody else
  }
}

export function readProcess(pid: number): Process {
  return { pid, argv: words(`/proc/${pid}/cmdline`), env: words(`/proc/${pid}/environ`) }
}

function allPids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

/** Living processes (no zombies, not this one) that were started with this line in their environment. */
export function processesWithEnv(line: string): Process[] {
  return allPids()
    .filter((pid) => pid !== process.pid)
    .map(readProcess)
    .filter((found) => found.env.includes(line))
}

/** Living processes that stand in a folder or below it: catches those that wiped their environment. */
export function processesIn(folder: string): Process[] {
  return allPids()
    .filter((pid) => {
      if (pid === process.pid) return false
      try {
        const cwd = readlinkSync(`/proc/${pid}/cwd`)
        return cwd === folder || cwd.startsWith(`${folder}/`)
      } catch {
        return false
      }
    })
    .map(readProcess)
}

/** The descendants of a process, by the kernel's own list of children. */
export function descendants(pid: number): number[] {
  const found: number[] = []
  const visit = (parent: number) => {
    let children = ''
    try {
      for (const task of readdirSync(`/proc/${parent}/task`)) {
        children += `${readFileSync(`/proc/${parent}/task/${task}/children`, 'latin1')} `
      }
    } catch {
      // it ended while we looked
    }
    for (const child of children.split(/\s+/).filter(Boolean).map(Number)) {
      if (found.includes(child)) continue
      found.push(child)
      visit(child)
    }
  }
  visit(pid)
  return found
}

/** Signals a process or, when negative, a group. True when there was somebody to signal. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}
