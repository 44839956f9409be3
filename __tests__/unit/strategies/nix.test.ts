import { describe, expect, it } from 'vitest'
import { codes } from '../../../src/codes.ts'
import { flake, nixArguments } from '../../../src/inputs/nix.ts'
import { findRelease } from '../../../src/pipeline/find-release.ts'
import type { Facts } from '../../../src/remote/facts.ts'
import type { ReleaseRecord } from '../../../src/remote/state.ts'
import { activationScripts } from '../../../src/strategies/nix/activation.ts'
import { explain } from '../../../src/strategies/nix/explain.ts'
import { noNix, parseFlake } from '../../../src/strategies/nix/options.ts'
import { rootCommands } from '../../../src/strategies/nix/preflight.ts'
import { sudoers } from '../../../src/strategies/uv/sudoers.ts'

const system = '/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-nas-25.11'

describe('the flake', () => {
  it.each([
    ['', { dir: '', name: '' }],
    ['.#nas', { dir: '', name: 'nas' }],
    ['./infra/nixos/#nas', { dir: 'infra/nixos', name: 'nas' }],
    ['/etc/nixos#nas', { folder: '/etc/nixos', name: 'nas' }],
    ['github:acme/hosts?dir=nixos#nas', { url: 'github:acme/hosts?dir=nixos', name: 'nas' }],
    [system, { system, name: '' }],
  ])('%s', (text, wanted) => {
    expect(read(flake, text)).toEqual(text)
    expect(parseFlake(text)).toEqual(wanted)
  })

  it.each([
    ['nixos#nas', 'Did you mean `./nixos#nas`'],
    ['.#nixosConfigurations."nas"', 'names no system'],
    ['.#a#b', 'names no system'],
    ['../hosts#nas', 'holds a `..`'],
    ['/nix/store/abc', 'no store path'],
    ['git+https://me:secret@example.org/hosts#nas', 'holds a password'],
    ['--help', 'is no flake'],
    ['.#$(id)', 'names no system'],
  ])('%s is refused', (text, words) => {
    expect(read(flake, text)).toContain(words)
  })

  it('takes arguments word by word, and none that are ours', () => {
    expect(read(nixArguments, '--impure\n--override-input nixpkgs github:NixOS/nixpkgs')).toEqual([
      ['--impure'],
      ['--override-input', 'nixpkgs', 'github:NixOS/nixpkgs'],
    ])
    expect(read(nixArguments, '--out-link x')).toContain('--out-link')
    expect(read(nixArguments, '--option access-tokens github.com=ghp_x')).toContain('holds a secret')
    expect(read(nixArguments, "--expr '1'")).toContain('quote')
  })
})

function read({ read: form }: { read: typeof flake.read | typeof nixArguments.read }, text: string): unknown {
  let said = ''
  const value = form({ text, from: '' }, (what, fix) => {
    said += `${what} ${fix}`
    return undefined
  })
  return said || value
}

describe('what Nix says', () => {
  // As Nix 2.26 says it.
  it.each([
    ['HD-NIX-02', "error: undefined variable 'nonsense'\nhd-nix: build\t.#x", 'could not be evaluated'],
    ['HD-NIX-02', "error: builder for '/nix/store/x.drv' failed with exit code 1;\nhd-nix: build\t.#x", 'not be built'],
    [
      'HD-NIX-01',
      "error: flake 'path:/x' does not provide attribute 'packages.x86_64-linux.nixosConfigurations.\"y\"'\nhd-nix: build\t.#y",
      'no such system',
    ],
    [
      'HD-NIX-01',
      "error: cannot write modified lock file of flake 'x': lock file contains unlocked inputs\nerror: flake 'x' requires lock file changes but they're not allowed due to '--no-update-lock-file'\nhd-nix: build\tx",
      'flake.lock',
    ],
    [
      'HD-NIX-05',
      "error: cannot add path '/nix/store/x' because it lacks a signature by a trusted key\nhd-nix: copy\tx",
      'trust',
    ],
    [
      'HD-NIX-07',
      "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux'\nhd-nix: build\tx",
      'another machine',
    ],
    ['HD-NIX-07', 'hd-nix: machine\taarch64-linux x86_64', 'aarch64-linux'],
    ['HD-NIX-08', 'hd-nix: space\t/boot 90000 1000', '/boot'],
    ['HD-NIX-01', 'hd-nix: system\t/nix/store/x', 'no NixOS system'],
    ['HD-NIX-02', "error: path '/nix/store/x' is not valid\nhd-nix: prebuilt\t/nix/store/x", 'store path'],
    ['HD-NIX-02', 'error: getting status of x\nhd-nix: check\t.', 'flake check'],
  ])('%s: %s', (code, output, words) => {
    const said = explain('build', output)
    expect(said).toMatchObject({ code, fix: expect.stringMatching(/Nothing was changed\.$|store path\.$/) })
    expect(`${said?.what} ${said?.why}`).toContain(words)
    expect(codes).toHaveProperty([code])
  })

  it('of a trace only the error', () => {
    const trace =
      "error:\n       … while evaluating the attribute 'x'\n         at flake.nix:3:\n\n       error: attribute 'nope' missing\n       at flake.nix:4:\nhd-nix: build\tx"
    expect(explain('build', trace)?.why).toBe("attribute 'nope' missing")
  })
})

describe('the exit codes of switch-to-configuration', () => {
  it.each([
    ['1', 'HD-NIX-03', 'boot loader'],
    ['2', 'HD-NIX-03', 'activation script'],
    ['4', 'HD-NIX-04', 'api.service'],
    ['11', 'HD-NIX-03', 'Another activation'],
    ['100', 'HD-NIX-03', 'another init'],
    ['101', 'HD-NIX-03', 'crashed'],
    ['143', 'HD-NIX-03', '143'],
  ])('%s', (exit, code, words) => {
    const said = explain('apply', `restarting\nhd-nix: ${exit}\tapi.service`)
    expect(said).toMatchObject({ code })
    expect(`${said?.what} ${said?.why}`).toContain(words)
  })
  it('of an old nixos-rebuild, which says 1 for everything', () => {
    const output = 'Could not acquire lock, is another switch-to-configuration process already running?\nhd-nix: 1\t'
    expect(explain('apply', output)?.why).toContain('Another activation')
  })
  it('and what a unit says, when it is restarted after it', () => {
    expect(explain('apply', 'homelab-deploy: api\texit-code 1 simple')).toMatchObject({ code: 'HD-UNIT-02' })
    expect(explain('migrate', 'error: x')).toBeUndefined()
  })
})

const facts = (sudo: Facts['sudo']) =>
  ({
    sudo,
    tools: { 'nixos-rebuild': { path: '/run/current-system/sw/bin/nixos-rebuild', version: '' } },
  }) as unknown as Facts

describe('who may activate', () => {
  it.each([
    ['root', false, "hd_rebuild=''"],
    ['any', false, "hd_rebuild=''"],
    ['some', false, 'hd_rebuild=/run/current-system/sw/bin/nixos-rebuild'],
    ['root', true, 'hd_rebuild=/run/current-system/sw/bin/nixos-rebuild'],
  ] as const)('%s, native: %s', (sudo, native, wanted) => {
    expect(activationScripts(facts(sudo), { native, judged: false }).head).toContain(wanted)
  })

  it('the sudoers file has the one program, and the units', () => {
    expect(sudoers('deploy', rootCommands({ ...noNix, restart: ['api'] }, facts('some')))).toBe(
      `deploy ALL=(root) NOPASSWD: /run/current-system/sw/bin/nixos-rebuild, \\
  /run/current-system/sw/bin/systemctl restart api, \\
  /run/current-system/sw/bin/systemctl reset-failed api, \\
  /run/current-system/sw/bin/systemctl stop api
`,
    )
  })
})

it('a release is found by the number of its generation', () => {
  const releases = ['r3', 'r2', 'r1'].map((id) => ({ id, revision: `42${id}`, at: id }) as ReleaseRecord)
  const state = { current: 'r3', pending: '', releases, generations: ['r1 41', 'r2 42', 'r3 43'] }
  expect(findRelease(state, '41').id).toBe('r1')
  expect(findRelease(state, '42').id).toBe('r2')
  expect(() => findRelease({ ...state, generations: [] }, '7')).toThrow(/No release/)
})
