import { describe, expect, it } from 'vitest'
import { codes } from '../../../src/codes.ts'
import { explain } from '../../../src/strategies/uv/explain.ts'

const unit = (text: string) => `restarting api\nJob for api.service failed.\nhomelab-deploy: api\t${text}\n`

describe('what uv says', () => {
  // As uv 0.13 says it.
  it.each([
    [
      'HD-UV-02',
      'Resolved 20 packages\nerror: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.\n\nhint: To update the lockfile, run `uv lock`.',
      'uv.lock',
    ],
    ['HD-TOOL-01', 'error: Required uv version `>=9` does not match the running version `0.13.8`. Update `uv`.', '>=9'],
    [
      'HD-UV-01',
      'error: Failed to download `httpx==0.28.1`\n  cause: Network connectivity is disabled',
      'httpx==0.28.1` Network',
    ],
    ['HD-UV-01', 'error: No interpreter found for Python 3.99 in managed installations or search path', '3.99'],
    ['HD-UV-01', '/bin/sh: 1: /root/.local/bin/uv: not found', 'not found'],
  ])('%s', (code, output, why) => {
    const said = explain('build', output)
    expect(said).toMatchObject({ code })
    expect(`${said?.what} ${said?.why}`).toContain(why)
    expect(codes).toHaveProperty([code])
  })

  it('is not looked for in what the user runs', () => {
    expect(explain('migrate', 'error: The lockfile at `uv.lock` needs to be updated')).toBeUndefined()
  })
})

describe('what systemd says', () => {
  it.each([
    ['HD-UNIT-02', 'timeout 0 notify Job for api failed', 'TimeoutStartSec'],
    ['HD-UNIT-02', 'start-limit-hit 1 simple Start request repeated too quickly', 'start limit'],
    ['HD-UNIT-02', 'exit-code 203 exec Job for api failed', 'status 203'],
    ['HD-UNIT-02', 'success 0 simple Unit api.service has a bad unit file setting.', 'bad unit file setting'],
    ['HD-UNIT-02', 'same', 'not started it anew'],
    ['HD-UNIT-03', 'reach app /root/.local/share/uv/python/cpython/bin/python3.13', '203/EXEC'],
    ['HD-UNIT-03', 'home app /home/x/python', 'ProtectHome'],
    ['HD-SUDO-01', '  simple sudo: a password is required', 'password'],
  ])('%s: %s', (code, text, words) => {
    const said = explain('apply', unit(text))
    expect(said).toMatchObject({ code, what: expect.stringContaining('api') })
    expect(`${said?.what} ${said?.why}`).toContain(words)
    expect(said?.fix).toMatch(/\S\.$/)
  })
})
