import { execFile, spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scratch } from './scratch.ts'

/** The browser of this machine, if it has one. */
export const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
)

const run = promisify(execFile)
/** Without a sandbox of its own it runs as root; it is shown nothing but a page that was just made here. */
const quiet = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run']

export interface Picture {
  readonly width: number
  readonly height: number
  readonly png: Buffer
  /** Elements that reach beyond the page at its sides. */
  readonly overflowing: string[]
}

/** Asks a page how high it is, then takes a picture of all of it. */
export async function photograph(html: string, width: number, folder: Scratch, file: string): Promise<Picture> {
  const { path } = folder
  const page = join(path, 'page.html')
  const profile = [`--user-data-dir=${join(path, 'profile')}`]
  const measure = `<script>addEventListener('load', () => {
    const wide = [...document.querySelectorAll('.body *')].filter((each) =>
      !each.closest('.wide, pre, svg') && each.getBoundingClientRect().right > innerWidth)
    const said = { height: document.documentElement.offsetHeight, overflowing: wide.map((each) => each.outerHTML.slice(0, 80)) }
    document.documentElement.dataset.said = encodeURIComponent(JSON.stringify(said))
  })</script>`
  await writeFile(page, html.replace('</body>', `${measure}</body>`))
  const asked = await run(chromium ?? '', [
    ...quiet,
    ...profile,
    `--window-size=${width},800`,
    '--dump-dom',
    `file://${page}`,
  ])
  const said = JSON.parse(decodeURIComponent(/data-said="([^"]*)"/.exec(asked.stdout)?.[1] ?? '')) as {
    height: number
    overflowing: string[]
  }
  const height = Math.ceil(said.height)
  await run(chromium ?? '', [
    ...quiet,
    ...profile,
    `--window-size=${width},${height}`,
    `--screenshot=${file}`,
    `file://${page}`,
  ])
  const png = await readFile(file)
  return { png, overflowing: said.overflowing, width: png.readUInt32BE(16), height: png.readUInt32BE(20) }
}
