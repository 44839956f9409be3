// What the summaries look like on GitHub, to be looked at: artifacts/summary/*.png. The Markdown is that of the action,
// the page is ours, and the timeline is drawn by Mermaid itself.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renderSummary } from '../../src/report/summary.ts'
import { Browser, chromium } from '../helpers/chromium.ts'
import { chartsOf, summaryPage } from '../helpers/mermaid.ts'
import { deployed, drifted, planned, rollbackFailed, rolledBack } from '../unit/report/samples.ts'

const docsBase = 'https://github.com/org/homelab-deploy/blob/v1'
const folder = 'artifacts/summary'
const unfolded = (page: string) => page.replaceAll('<details>', '<details open>')
const folded = (page: string) => page
const cases = [
  ['deployed', deployed, folded],
  ['deployed-unfolded', deployed, unfolded],
  ['rolled-back', rolledBack, folded],
  ['rolled-back-unfolded', rolledBack, unfolded],
  ['rollback-failed', rollbackFailed, folded],
  ['planned', planned, folded],
  ['planned-unfolded', planned, unfolded],
  ['status', drifted, folded],
] as const

const pageOf = (index: number, theme: 'light' | 'dark'): string => {
  const [name, report, change] = cases[index] ?? cases[0]
  return change(summaryPage(name, renderSummary(report, { docsBase }), theme))
}

describe.runIf(chromium)('a picture', () => {
  let browser: Browser
  beforeAll(async () => {
    await mkdir(folder, { recursive: true })
    browser = await Browser.start()
  })
  afterAll(async () => await browser[Symbol.asyncDispose]())

  test.each(cases.map(([name, report], index) => [name, index, report] as const))(
    'of %s, light and dark',
    async (name, index, { steps }) => {
      const [light, dark] = [
        await browser.photograph(pageOf(index, 'light'), 1044, join(folder, `${name}-light.png`)),
        await browser.photograph(pageOf(index, 'dark'), 1044, join(folder, `${name}-dark.png`)),
      ]
      expect(light).toMatchObject({ width: 1044, overflowing: [] })
      expect(light.height).toBeGreaterThan(400)
      expect(light.height).toBeLessThan(2_500)
      expect(dark.height).toBe(light.height)
      // A page that showed nothing would be a few kilobytes.
      expect(Math.min(light.png.length, dark.png.length)).toBeGreaterThan(20_000)
      expect(light.png.equals(dark.png)).toBe(false)
      // A bar for each step, drawn and not merely read.
      expect(light.html.match(/<rect [^>]*class="task /g)).toHaveLength(steps.length)
    },
  )

  test('of the way a deploy goes, as the documents have it', async () => {
    const text = await readFile('docs/how-it-works.md', 'utf8')
    expect(chartsOf(text)).toHaveLength(1)
    const { html } = await browser.photograph(summaryPage('', text, 'light'), 1044, join(folder, 'how-it-works.png'))
    expect(html).toContain('aria-roledescription="flowchart')
  })

  test('on a phone, nothing reaches beyond its sides', async () => {
    const pictures = cases.map(async ([name], index) => ({ name, page: pageOf(index, 'light') }))
    for (const { name, page } of await Promise.all(pictures)) {
      const { overflowing } = await browser.photograph(page, 390, join(folder, `${name}-phone.png`))
      expect(overflowing).toEqual([])
    }
  })
})

test.runIf(chromium === undefined)('there is no Chromium here: no picture was taken (`apt install chromium`)', () => {
  expect(chromium).toBeUndefined()
})
