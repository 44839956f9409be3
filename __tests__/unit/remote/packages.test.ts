import { expect, test } from 'vitest'
import type { Facts } from '../../../src/remote/facts.ts'
import { howToInstall } from '../../../src/remote/packages.ts'

const on = (id: string, like = '', uid = 1000, appliance: Facts['appliance'] = '') =>
  ({
    os: { id, like, version: '', name: '', kernel: '' },
    user: { name: 'deploy', uid, home: '/' },
    appliance,
  }) as Facts

test.each([
  ['docker', on('debian'), 'sudo apt-get install -y docker.io docker-compose'],
  ['docker', on('linuxmint', 'ubuntu debian'), 'sudo apt-get install -y docker.io docker-compose-v2'],
  ['docker', on('alpine', '', 0), 'apk add docker docker-cli-compose && rc-update add docker && service docker start'],
  ['docker compose', on('raspbian', 'debian', 0), 'apt-get install -y docker-compose'],
  ['rsync', on('rocky', 'rhel centos fedora'), 'sudo dnf install -y rsync'],
  ['rsync', on('opensuse-tumbleweed', 'opensuse suse'), 'sudo zypper install -y rsync'],
  ['uv', on('alpine'), 'sudo apk add uv'],
  ['uv', on('endeavouros', 'arch'), 'sudo pacman -S --noconfirm uv'],
])('%s: the command of the very distribution', (tool, facts, command) => {
  expect(howToInstall(tool, facts, 'else')).toBe(`On the host run \`${command}\`.`)
})

test('on NixOS it is a line of the configuration', () => {
  expect(howToInstall('docker', on('nixos'), 'else')).toMatch(/`virtualisation\.docker\.enable = true;`.*nixos-rebuild/)
})

test.each([
  ['uv', on('debian')],
  ['docker', on('')],
  ['docker', on('debian', '', 0, 'synology')],
  ['nix', on('debian')],
])('%s: where no package is known, what the tool itself advises', (tool, facts) => {
  expect(howToInstall(tool, facts, 'else')).toBe('else')
})
