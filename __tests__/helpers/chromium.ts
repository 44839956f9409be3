import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Scratch, scratch } from './scratch.ts'

/** The browser of this machine, if it has one. */
export const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
)

export interface Picture {
  readonly width: number
  readonly height: number
  readonly png: Buffer
  /** Elements that reach beyond the page at its sides. */
  readonly overflowing: string[]
  /** What the page has become, scripts and all. */
  readonly html: string
}

/** Waits until all is drawn, a chart of Mermaid too, and tells what there is to see. */
const look = `(async () => {
  if (document.readyState !== 'complete') await new Promise((loaded) => addEventListener('load', loaded))
  await globalThis.drawn
  const wide = [...document.querySelectorAll('.body *')].filter((each) =>
    !each.closest('.wide, pre, svg') && each.getBoundingClientRect().right > innerWidth)
  const { offsetHeight: height, outerHTML: html } = document.documentElement
  return { height, html, overflowing: wide.map((each) => each.outerHTML.slice(0, 80)) }
})()`

/** A browser without a window, asked over its own protocol: one start for all pictures. */
export class Browser implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #socket: WebSocket
  readonly #folder: Scratch
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>()
  #session: string | undefined
  #last = 0

  private constructor(process: ChildProcess, socket: WebSocket, folder: Scratch) {
    this.#process = process
    this.#socket = socket
    this.#folder = folder
    socket.addEventListener('message', ({ data }) => {
      const { id, result = {}, error } = JSON.parse(data)
      if (error) this.#waiting.get(id)?.reject(new Error(error.message))
      else this.#waiting.get(id)?.resolve(result)
    })
    process.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the browser has ended'))
    })
  }

  static async start(): Promise<Browser> {
    const folder = await scratch('browser')
    // Without a sandbox of its own it runs as root; it is shown nothing but a page that was just made here.
    const quiet = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run']
    const own = ['--remote-debugging-port=0', `--user-data-dir=${join(folder.path, 'profile')}`, 'about:blank']
    const process = spawn(chromium ?? '', [...quiet, ...own], { stdio: ['ignore', 'ignore', 'pipe'] })
    for await (const line of createInterface(process.stderr)) {
      const [, address] = /listening on (ws:\S+)/.exec(line) ?? []
      if (address === undefined) continue
      const socket = new WebSocket(address)
      await once(socket, 'open')
      process.stderr.resume()
      const browser = new Browser(process, socket, folder)
      const { targetId } = await browser.#ask('Target.createTarget', { url: 'about:blank' })
      browser.#session = String((await browser.#ask('Target.attachToTarget', { targetId, flatten: true })).sessionId)
      return browser
    }
    throw new Error('the browser did not start')
  }

  /** A picture of the whole page, however high it is. */
  async photograph(page: string, width: number, file: string): Promise<Picture> {
    const path = join(this.#folder.path, 'page.html')
    await writeFile(path, page)
    const screen = { width, height: 800, deviceScaleFactor: 1, mobile: false }
    await this.#ask('Emulation.setDeviceMetricsOverride', screen)
    await this.#ask('Page.navigate', { url: `file://${path}` })
    const seen = await this.#ask('Runtime.evaluate', { expression: look, awaitPromise: true, returnByValue: true })
    if (seen.exceptionDetails) throw new Error(JSON.stringify(seen.exceptionDetails))
    const { height, html, overflowing } = (seen.result as { value: Pick<Picture, 'height' | 'html' | 'overflowing'> })
      .value
    const clip = { x: 0, y: 0, width, height: Math.ceil(height), scale: 1 }
    const { data } = await this.#ask('Page.captureScreenshot', { clip, captureBeyondViewport: true })
    const png = Buffer.from(String(data), 'base64')
    await writeFile(file, png)
    return { png, html, overflowing, width: png.readUInt32BE(16), height: png.readUInt32BE(20) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill()
    await ended
    await this.#folder[Symbol.asyncDispose]()
  }

  async #ask(method: string, params: object): Promise<Record<string, unknown>> {
    this.#last += 1
    const answer = Promise.withResolvers<Record<string, unknown>>()
    this.#waiting.set(this.#last, answer)
    this.#socket.send(JSON.stringify({ id: this.#last, method, params, sessionId: this.#session }))
    return await answer.promise
  }
}
