import { expect, test } from 'vitest'
import { fences, yamlBlocks } from '../helpers/documents.ts'
import { makeKey } from '../helpers/keys.ts'
import { type RunResult, runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'
import { type LabHost, labHost } from './host.ts'

// docs/setup.md, as it stands: a Debian that has no user of ours gets one, and is deployed to by its workflow.
const page = 'docs/setup.md'
const onTheHost = fences('sh')
  .filter((fence) => fence.page === page && !/ssh-keygen|\bgh /.test(fence.text))
  .map(({ text }) => text)

const unit = `[Service]
ExecStart=/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1 --directory /srv/shop
User=nobody
[Install]
WantedBy=multi-user.target
`

test('the ten minutes of the set-up lead to a deploy, and to one that is taken back', async () => {
  await using host = await labHost({ name: 'setup-guide', user: 'root' })
  await host.sh('userdel --remove deploy; rm /etc/sudoers.d/deploy')
  await host.write('/etc/systemd/system', { 'shop.service': unit }, 'root')
  await host.sh('systemctl daemon-reload')
  const key = makeKey()
  let said = ''
  for (const text of onTheHost)
    said = await host.sh(`set -e\n${text.replace('ssh-ed25519 AAAA… deploy', key.public.trim())}`)
  expect(said).toMatch(/^ssh-ed25519 \S+/)
  expect(await host.sh('loginctl show-user deploy --property=Linger')).toContain('Linger=yes')

  const first = await run(host, key.private, said, 'fine')
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
  const second = await run(host, key.private, said, undefined)
  expect(second.outputs.result, second.maskedLog).toBe('rolled-back')
  expect(second.summary).toMatch(/python3|Started|shop/)
  expect(await host.sh('curl -fsS http://127.0.0.1:8080/health')).toBe('fine')
  expect(await host.sh('stat -c %U /srv/shop/health')).toBe('deploy')
})

/** The step of the page; without a file \`health\` the service answers 404. */
async function run(host: LabHost, key: string, hostKey: string, health: string | undefined): Promise<RunResult> {
  const [block] = yamlBlocks().filter((each) => each.page === page)
  const step = block?.value.jobs.deploy.steps[1].with as Record<string, string>
  await using workspace = await scratch('setup-guide')
  await writeTree(workspace.path, { 'index.html': 'hello\n', ...(health ? { health } : {}) })
  const own = { host: `deploy@${host.address}`, 'ssh-key': key, 'host-key': hostKey, 'health-timeout': '5s' }
  return await runAction({ workspace: workspace.path, inputs: { ...step, ...own } })
}
