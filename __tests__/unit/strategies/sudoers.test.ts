import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { noUv } from '../../../src/strategies/uv/options.ts'
import { rootCommands, sudoers } from '../../../src/strategies/uv/sudoers.ts'
import { scratch } from '../../helpers/scratch.ts'

const programs = { systemctl: '/usr/bin/systemctl', install: '/usr/bin/install', rm: '/usr/bin/rm' }
const state = '/home/deploy/.local/state/homelab-deploy/egograph'
const file = (more: Partial<typeof noUv>) => sudoers('deploy', rootCommands({ ...noUv, ...more }, programs, state))

describe('the sudoers file', () => {
  it('holds what a restart takes, and nothing else', () => {
    expect(file({ services: ['egograph-backend'] })).toBe(
      `deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart egograph-backend, \\
  /usr/bin/systemctl reset-failed egograph-backend, \\
  /usr/bin/systemctl stop egograph-backend
`,
    )
  })

  it('names each unit file by where it comes from and where it goes', () => {
    const text = file({ services: ['api'], unitFiles: ['deploy/api.service', 'deploy/api.service.d/mem.conf'] })
    expect(text).toContain(`/usr/bin/install -D -m 644 ${state}/units/api.service /etc/systemd/system/api.service,`)
    expect(text).toContain(`${state}/units/api.service.d/mem.conf /etc/systemd/system/api.service.d/mem.conf,`)
    expect(text).toContain('/usr/bin/systemctl daemon-reload,')
    expect(text).not.toContain('enable api.service.d')
  })

  it('is not needed for units of the user, or without units', () => {
    expect(file({ services: ['api'], scope: 'user' })).toBe('')
    expect(file({})).toBe('')
  })

  const visudo = ['/usr/sbin/visudo', '/sbin/visudo'].find((path) => existsSync(path))
  it.runIf(visudo)('is what visudo reads, whatever a unit is called', async () => {
    await using folder = await scratch('sudoers')
    const path = join(folder.path, 'file')
    const names = [String.raw`dev-disk-by\x2dlabel-x.mount`, 'getty@tty1.service', 'a:b', 'timer.timer']
    await writeFile(path, file({ services: names, restart: ['x'], unitFiles: ['a/b@.service', 'c.timer'] }), {
      mode: 0o440,
    })
    const { status, stdout, stderr } = spawnSync(visudo ?? '', ['-c', '-s', '-f', path], { encoding: 'utf8' })
    expect(`${stdout}${stderr}`).toContain('parsed OK')
    expect(status).toBe(0)
  })
})
