import { existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { Browser, chromium } from '../helpers/chromium.ts'
import { startHost } from '../helpers/embedded-host.ts'
import { chartsOf, readGantt, summaryPage } from '../helpers/mermaid.ts'
import { deploy, expectResult } from '../helpers/story.ts'

/** What differs from run to run, and where the embedded host is not the one of the picture. */
const same = (text: string): string =>
  text
    .replaceAll(/\u200b|\ufe0f|[`*|]/g, '')
    .replaceAll('\u00a0', ' ')
    .replaceAll('&#58;', ':')
    .replaceAll(/127\.0\.0\.1:\d+\/health/g, '127.0.0.1:8080/health')
    .replaceAll(/deploy@127\.0\.0\.1:\d+/g, 'deploy@nas.example.org')
    .replaceAll(/\d{8}-\d{6}-/g, 'TIME-')
    .replaceAll(/\d+(\.\d+)? m?s\b/g, 'N s')
    .replaceAll(/\s+/g, ' ')

it('the picture of the README says what the summary of such a deploy says', async () => {
  await using host = await startHost()
  const version = () => (existsSync(join(host.home, 'app/v')) ? readFileSync(join(host.home, 'app/v'), 'utf8') : '')
  const server = createServer((_, answer) => answer.writeHead(version() === 'two\n' ? 502 : 200).end())
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const health = `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`
  const inputs = { health, 'health-timeout': '2s', 'health-stable': '0s' }
  try {
    const good = await deploy(host, { source: { v: 'one\n' }, sha: '4f3c2a1'.padEnd(40, '0'), inputs })
    expectResult(good, 'deployed')
    const bad = await deploy(host, { source: { v: 'two\n' }, sha: '9d81e07'.padEnd(40, '0'), inputs })
    expectResult(bad, 'rolled-back')
    const said = same(bad.summary.replace('[!WARNING]', 'Warning'))
    const shown = [...readFileSync('docs/images/rolled-back.svg', 'utf8').matchAll(/<text[^>]*>([^<]*)<\/text>/g)]
    const words = shown.map(([, text = '']) => same(text).trim())
    expect(words.length).toBeGreaterThan(10)
    expect(words.filter((text) => !said.includes(text))).toEqual([])

    for (const [name, { summary, report }] of Object.entries({ deployed: good, 'rolled-back': bad })) {
      const [chart = ''] = chartsOf(summary)
      const steps = (report as Report).steps.length
      expect(await readGantt(chart)).toHaveLength(steps)
      if (chromium === undefined) continue
      // For the artifacts: what such a run shows, with all that is folded.
      await mkdir('artifacts/summary', { recursive: true })
      await using browser = await Browser.start()
      const page = summaryPage(name, summary, 'light').replaceAll('<details>', '<details open>')
      const { html } = await browser.photograph(page, 1044, `artifacts/summary/run-${name}.png`)
      expect(html.match(/<rect [^>]*class="task /g)).toHaveLength(steps)
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
