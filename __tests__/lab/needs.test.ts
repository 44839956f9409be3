import { expect, test } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { makeKey } from '../helpers/keys.ts'
import { runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'
import { labHost } from './host.ts'

test('what a plan says is missing, typed as it is printed, is all that a first deploy needs', async () => {
  await using host = await labHost({ name: 'needs', user: 'limited', disk: '64m' })
  await using workspace = await scratch('lab-needs')
  const inputs = {
    host: host.target,
    'host-key': host.knownHostsLine,
    'ssh-key': makeKey().private,
    path: '/srv/new/app',
    strategy: 'script',
    activate: 'true',
    'connect-timeout': '10s',
  }
  const act = async (mode: string, more: Record<string, string> = {}) => {
    const run = await runAction({ workspace: workspace.path, inputs: { ...inputs, ...more, mode } })
    const { obstacles = [] } = (run.report as Report).plan?.[0] ?? {}
    return { ...run, codes: obstacles.map(({ code }) => code), fixes: obstacles.map(({ fix }) => fix).join('\n') }
  }
  await writeTree(workspace.path, { 'index.html': 'one\n', 'compose.yaml': 'services: { web: { image: web } }\n' })

  const stranger = await act('plan')
  expect(stranger.codes, stranger.maskedLog).toEqual(['HD-SSH-03'])
  const [add = ''] = /^ {2}\(.*authorized_keys\)$/m.exec(stranger.fixes) ?? []
  await host.sh(add, { user: 'limited' })

  const homeless = await act('plan', { strategy: 'compose', activate: '' })
  expect(homeless.codes, homeless.maskedLog).toEqual(['HD-PATH-04', 'HD-PATH-01', 'HD-ENGINE-01'])
  expect(homeless.fixes).toContain('sudo apt-get install -y docker.io docker-compose')
  const [, own = ''] = /`sudo (install -d -o limited \/srv\/new\/app)`/.exec(homeless.fixes) ?? []
  await host.sh(own)

  await writeTree(workspace.path, { big: { base64: Buffer.alloc(40_000_000, 1).toString('base64') } })
  const full = await act('plan')
  expect(full.codes, full.maskedLog).toEqual(['HD-DISK-01'])
  expect(full.errors[0]?.message).toMatch(/needs 76 MiB: 38 MiB in \d new entries/)
  await writeTree(workspace.path, { big: 'small' })
  const ready = await act('plan')
  expect(ready.outputs.result, ready.maskedLog).toBe('planned')
  const first = await act('deploy')
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
})
