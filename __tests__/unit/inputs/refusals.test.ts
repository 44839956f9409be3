import { describe, expect, test } from 'vitest'
import type { InputName } from '../../../src/inputs/spec.ts'
import { variableOf } from '../../../src/inputs/workflow.ts'
import { planOf, refusal, textOf } from './helpers.ts'

describe('an input is refused', () => {
  test.each([
    ['MODE', 'deplyo', /`mode` "deplyo" is not known. Did you mean `deploy`\? Use one of deploy, rollback/],
    ['MODE', 'Deploy', /is not known/],
    ['STRATEGY', 'compse', /`strategy` "compse" is not known/],
    ['STRATEGY', 'comena', /`strategy` "comena" is not known\. Did you mean `colmena`/],
    ['COMPOSE-FILES', '../compose.yaml', /holds a `\.\.`/],
    ['COMPOSE-PROJECT', 'Shop', /is no name of a Compose project/],
    ['COMPOSE-PROFILES', 'a b', /is no name of a Compose profile/],
    ['IMAGES', 'nginx:1', /`images` "nginx:1" names no service/],
    ['IMAGES', 'web=$(id)', /names no image/],
    ['REGISTRY', 'https://ghcr.io', /is no registry.*`ghcr\.io`/s],
    ['REGISTRY-USERNAME', '-u', /is no user of a registry/],
    ['REGISTRY-PASSWORD', 'hunter22', /`registry-username` is missing/],
    ['REGISTRY-PASSWORD', 'hunter22\nx', /more than one line/],
    ['VERIFY', 'attestation', /`images` is missing/],
    ['VERIFY', 'gpg', /`verify` "gpg" is not known/],
    ['FLAKE', 'nixos#nas', /`flake` "nixos#nas" is no flake\. Did you mean `\.\/nixos#nas`/],
    ['NIX-ARGS', '--out-link x', /holds `--out-link`/],
    ['ROLLBACK', 'data', /`rollback` is `data`, and there is no `backup` to restore/],
    ['BACKUP', 'tar data', /`backup` "tar data" has a line that is no backup: it is none of/],
    ['BACKUP', 'tar: data keep=x', /`keep` is a whole number/],
    ['BACKUP', 'tar: /etc', /`backup` "\/etc" names what is no data of an application/],
    ['BACKUP', 'tar: /', /names what is no data/],
    ['BACKUP', 'sqlite: /home/me/.ssh/x', /names what is no data/],
    ['BACKUP', 'tar: /var/lib/homelab-deploy/shop', /names what is no data/],
    ['NAME', '../x', /`name` "..\/x" is no safe name/],
    ['NAME', '-x', /is no safe name/],
    ['NAME', 'x'.repeat(65), /is no safe name/],
    ['NAME', 'a\nb', /"a\\u\{a\}b" holds a line break/],
    ['HOST', 'a b', /`host` "a b" holds a space/],
    ['HOST', 'a,root@a:22', /`host` names a port 22 twice/],
    ['HOST', 'a\u001b[2J', /holds a control character/],
    ['JUMP-HOST', 'nas.example.org', /`jump-host` is the host itself/],
    ['JUMP-HOST', 'a,b', /no valid host/],
    ['JUMP-HOST-KEY', 'accept-new', /`jump-host-key` is given without `jump-host`/],
    ['CONNECT-TIMEOUT', '90', /"90" is not a duration. Did you mean `90s`\?/],
    ['CONNECT-TIMEOUT', '0s', /out of range/],
    ['CONNECT-TIMEOUT', '2h', /out of range. Write a duration from 1s to 1h/],
    ['LOCK-TIMEOUT', '-5m', /is not a duration/],
    ['LOCK-TIMEOUT', '5 m', /is not a duration/],
    ['KEEP', '0', /Write a whole number from 1 to 1000/],
    ['KEEP', '1.5', /is not a number that fits/],
    ['KEEP', '0x10', /is not a number that fits/],
    ['DELETE-LIMIT', '-1', /`delete-limit` "-1" is not a number/],
    ['DELETE-LIMIT', '9'.repeat(30), /is not a number that fits/],
    ['FORCE', 'yes', /`force` "yes" is not a boolean. Write `true` or `false`/],
    ['FORCE', 'tRUE', /is not a boolean/],
    ['PATH', '/etc', /`path` "\/etc" is a directory of the system/],
    ['PATH', '/srv/\u0000x', /control character/],
    ['SOURCE', '-x', /begins with `-`/],
    ['EXCLUDE', 'a, b', /holds a comma/],
    ['PROTECT', 'ok\n../x\n!y', /2 problems.*`\.\.`.*begins with `!`/s],
    ['ENV-PATH', '/etc/x', /is not relative/],
    ['HEALTH', 'htp://x', /has a line that is no check/],
    ['HEALTH', 'unit:-x', /cannot begin with -/],
    ['URL', 'shop.example.org', /is not a web address/],
    ['URL', 'javascript:alert(1)', /is not a web address/],
    ['URL', 'https:///', /is not a web address/],
    ['TO', 'abcd', /`to` is given, but the mode is not rollback/],
    ['TO', '$(id)', /`to` "\$\(id\)" is no release/],
    ['TO', 'abc', /is no release/],
    ['ACTIVATE', 'a\u0000b', /NUL/],
    ['ENVIRONMENT', 'x'.repeat(256), /is too long/],
    ['CONFIG', '-x', /does not exist/],
    ['HOTS', 'nas', /`hots` is not an input of this action. Did you mean `host`\?/],
    ['SSH_KEY', 'hunter22', /`ssh_key` is not an input of this action. Did you mean `ssh-key`\?/],
    ['KUBECONFIG', '', /`kubeconfig` is not an input of this action. All are listed/],
    ['A\u001b[2J', '', /`a\\u\{1b\}\[2j` is not an input/],
  ])('%s: %j', (name, value, reason) => {
    const error = refusal({ [`INPUT_${name}`]: value })
    expect(error.code).toBe('HD-INPUT-01')
    expect(textOf(error)).toMatch(reason)
    expect(textOf(error)).not.toContain('hunter22')
    expect(textOf(error)).not.toMatch(/[^\P{Cc}\n]/u)
  })

  test('a URL with a password, which is not shown', () => {
    const error = refusal({ INPUT_URL: 'https://me:hunter22@example.org' })
    expect(textOf(error)).toMatch(/`url` holds a user or a password/)
    expect(textOf(error)).not.toContain('hunter22')
  })

  test.each([
    ['host', { INPUT_HOST: '' }, /`host` is missing/],
    ['path', { INPUT_PATH: '' }, /`path` is missing/],
    ['activate', { INPUT_STRATEGY: 'script' }, /`activate` is missing/],
    ['name', { GITHUB_REPOSITORY: '' }, /`name` is missing/],
    ['path for data', { INPUT_PATH: '', INPUT_SYNC: 'none', INPUT_BACKUP: 'tar: data' }, /`path` is missing/],
    ['path for files', { INPUT_PATH: '', INPUT_SYNC: 'none', 'INPUT_ENV-FILE': 'A=1' }, /`path` is missing/],
    [
      'key for its passphrase',
      { 'INPUT_SSH-KEY': '', SSH_AUTH_SOCK: '/a', 'INPUT_SSH-KEY-PASSPHRASE': 'x' },
      /given without `ssh-key`/,
    ],
  ])('because something is missing: %s', (_, env, reason) => {
    expect(refusal(env)).toMatchObject({ code: 'HD-INPUT-01', what: expect.stringMatching(reason) })
  })

  test('without sync there need be no path', () => {
    expect(planOf({ INPUT_PATH: '', INPUT_SYNC: 'none' }).sync).toMatchObject({ path: '', method: 'none' })
  })

  test('with all others at once', () => {
    const error = refusal({
      INPUT_HOST: 'a b',
      INPUT_KEEP: '0',
      INPUT_FORCE: 'on',
      INPUT_HOTS: 'x',
      INPUT_HEALTH: 'tcp:a',
    })
    expect(error.what).toBe('5 problems with the inputs; nothing was touched.')
    for (const name of ['host', 'keep', 'force', 'hots', 'health']) expect(error.fix).toContain(`- \`${name}\``)
    expect(error.fix.split('\n')).toHaveLength(5)
  })

  test('but not for what a misspelt mode may not have needed', () => {
    expect(refusal({ INPUT_MODE: 'rolback', INPUT_PATH: '', INPUT_TO: 'abcd' }).what).toMatch(
      /^`mode` "rolback" is not known/,
    )
  })

  test('with a long value cut', () => {
    expect(refusal({ INPUT_NAME: 'x'.repeat(500) }).what.length).toBeLessThan(200)
  })
})

test('a host that would take the change back while its health is still watched', () => {
  const times = { INPUT_HEALTH: 'unit:app', 'INPUT_HEALTH-TIMEOUT': '5m', 'INPUT_HEALTH-STABLE': '10s' }
  const error = refusal({ ...times, 'INPUT_CONFIRM-TIMEOUT': '5m' })
  expect(error.what).toMatch(/`confirm-timeout` .*ends before the health checks may/)
  expect(error.fix).toContain('310s')
  expect(planOf({ ...times, 'INPUT_CONFIRM-TIMEOUT': '6m' }).safety.confirmTimeout).toBe(360_000)
})

describe('what is told to GitHub', () => {
  test.each([
    ['comment', 'pull-requests'],
    ['deployment', 'deployments'],
  ])('%s needs a token, and says which permission', (name, permission) => {
    const error = refusal({ [variableOf(name as InputName)]: 'true' })
    expect(textOf(error)).toMatch(
      new RegExp(`\`github-token\` is empty, and \`${name}\` needs it.*${permission}: write`, 's'),
    )
    expect(planOf({ [variableOf(name as InputName)]: 'true', 'INPUT_GITHUB-TOKEN': 'ghs_x' }).report).toMatchObject({
      [name]: true,
    })
  })
})
