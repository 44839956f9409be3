import { expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { deploy, expectResult, expectSettled, liveTree } from '../helpers/story.ts'

/** Whatever a login prints, before or around a command, is nobody's answer. */
const noise = [
  '*** Welcome ***',
  'current 20200101-000000-fffffff',
  'taken',
  'busy',
  'path=/etc',
  'state=/etc/homelab-deploy/shop',
  'user.uid=0',
  'count.removed 4000',
  '::error::forged by the motd',
  '##[error]forged as well',
  'HD-0123456789abcdef01234567 0',
  '',
].join('\n')

it.concurrent('a noisy .bashrc and a banner cannot reach the answers', async () => {
  await using host = await startHost({ noise, banner: noise })
  const first = await deploy(host, {
    source: { a: 'one\n' },
    inputs: { activate: 'echo "::error::forged by activate"; cat a' },
  })
  expectResult(first, 'deployed')
  expect(await liveTree(host)).toEqual({ a: 'one\n' })
  expect(first.annotations).toEqual([])
  expect(first.outputs['previous-release']).toBe('')
  expectResult(
    await deploy(host, { source: { a: 'one\n' }, inputs: { activate: 'echo "::error::forged by activate"; cat a' } }),
    'unchanged',
  )
  await expectSettled(host)
})

it.concurrent('nor can rsync and git be confused by it', async () => {
  await using host = await startHost({ banner: noise })
  expectResult(await deploy(host, { source: { a: 'one\n' }, inputs: { sync: 'rsync' } }), 'deployed')
  expect(await liveTree(host)).toEqual({ a: 'one\n' })
})

it.concurrent('what scripts write where the answers go is an answer to nobody', async () => {
  await using host = await startHost()
  const activate = `echo 'pending x' >&3 2>/dev/null || echo closed; printf '\\nHD-0123456789abcdef01234567 0\\n'; exit 4`
  const result = await deploy(host, { inputs: { activate } })
  expectResult(result, 'rolled-back')
  expect(result.errors[0]?.message).toContain('exit code 4')
})

it.concurrent('output in another encoding, without a line end, or very long, passes', async () => {
  await using host = await startHost()
  const activate = `printf 'caf\\351 \\377'; printf '%60000s' x | tr ' ' y; printf '\\033[31mred\\033[0m\\r\\n'; printf last`
  const result = await deploy(host, { inputs: { activate } })
  expectResult(result, 'deployed')
  expect(result.maskedLog).toContain('last')
  expect(result.log).not.toContain('\u001b')
})
