// What the summaries look like on GitHub, to be looked at: artifacts/summary/*.png. The Markdown is that of the action,
// the page is ours, and the timeline is drawn by a stand-in for Mermaid.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { renderPage } from '../../scripts/page.ts'
import { renderSummary } from '../../src/report/summary.ts'
import { chromium, photograph } from '../helpers/chromium.ts'
import { scratch } from '../helpers/scratch.ts'
import { deployed, drifted, planned, rollbackFailed, rolledBack } from '../unit/report/samples.ts'

const docsBase = 'https://github.com/org/homelab-deploy/blob/v1'
const folder = 'artifacts/summary'
const unfolded = (page: string) => page.replaceAll('<details>', '<details open>')
const cases = [
  ['deployed', deployed, (page: string) => page],
  ['deployed-unfolded', deployed, unfolded],
  ['rolled-back', rolledBack, (page: string) => page],
  ['rollback-failed', rollbackFailed, unfolded],
  ['planned', planned, (page: string) => page],
  ['status', drifted, (page: string) => page],
] as const

const pageOf = (index: number, theme: 'light' | 'dark'): string => {
  const [name, report, change] = cases[index] ?? cases[0]
  return change(renderPage('', [{ title: name, markdown: renderSummary(report, { docsBase }) }], theme))
}

describe.runIf(chromium)('a picture', () => {
  test.each(cases.map(([name], index) => [name, index] as const))('of %s, light and dark', async (name, index) => {
    await using temp = await scratch('pictures')
    await mkdir(folder, { recursive: true })
    const [light, dark] = [
      await photograph(pageOf(index, 'light'), 1044, temp, join(folder, `${name}-light.png`)),
      await photograph(pageOf(index, 'dark'), 1044, temp, join(folder, `${name}-dark.png`)),
    ]
    expect(light).toMatchObject({ width: 1044, overflowing: [] })
    expect(light.height).toBeGreaterThan(500)
    expect(light.height).toBeLessThan(2_500)
    expect(dark.height).toBe(light.height)
    // A page that showed nothing would be a few kilobytes.
    expect(Math.min(light.png.length, dark.png.length)).toBeGreaterThan(20_000)
    expect(light.png.equals(dark.png)).toBe(false)
  })

  test('on a phone, nothing reaches beyond its sides', async () => {
    await using temp = await scratch('pictures')
    const { overflowing } = await photograph(pageOf(2, 'light'), 500, temp, join(folder, 'rolled-back-phone.png'))
    expect(overflowing).toEqual([])
  })
})

test.runIf(chromium === undefined)('there is no Chromium here: no picture was taken (`apt install chromium`)', () => {
  expect(chromium).toBeUndefined()
})
