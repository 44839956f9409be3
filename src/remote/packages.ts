import type { Facts } from './facts.ts'

type Family = 'debian' | 'ubuntu' | 'alpine' | 'fedora' | 'arch' | 'suse' | 'nixos'

const commands: Readonly<Record<Exclude<Family, 'nixos'>, string>> = {
  debian: 'apt-get install -y',
  ubuntu: 'apt-get install -y',
  alpine: 'apk add',
  fedora: 'dnf install -y',
  arch: 'pacman -S --noconfirm',
  suse: 'zypper install -y',
}

/** What brings a tool, where its package is called otherwise, or where there is none: then the hint of the tool has to do. */
const packages: Readonly<Record<string, Readonly<Partial<Record<Family, string>>>>> = {
  docker: {
    debian: 'docker.io docker-compose',
    ubuntu: 'docker.io docker-compose-v2',
    alpine: 'docker docker-cli-compose',
    fedora: 'moby-engine docker-compose',
    arch: 'docker docker-compose',
    suse: 'docker docker-compose',
    nixos: 'virtualisation.docker.enable = true;',
  },
  'docker compose': {
    debian: 'docker-compose',
    ubuntu: 'docker-compose-v2',
    alpine: 'docker-cli-compose',
    fedora: 'docker-compose',
    arch: 'docker-compose',
    suse: 'docker-compose',
    nixos: 'environment.systemPackages = [ pkgs.docker-compose ];',
  },
  rsync: everywhere('rsync'),
  git: everywhere('git'),
  uv: { alpine: 'uv', fedora: 'uv', arch: 'uv', nixos: 'environment.systemPackages = [ pkgs.uv ];' },
}

/** The same name in every distribution. */
function everywhere(name: string): Record<Family, string> {
  const nixos = `environment.systemPackages = [ pkgs.${name} ];`
  return { debian: name, ubuntu: name, alpine: name, fedora: name, arch: name, suse: name, nixos }
}

/** How to get a tool on this very host: the command of its distribution; else the hint. */
export function howToInstall(tool: string, { os, appliance, user }: Facts, hint: string): string {
  const family = familyOf(os)
  const name = family && packages[tool]?.[family]
  // An appliance has its own shop, whatever it was built from.
  if (family === undefined || name === undefined || appliance !== '') return hint
  if (family === 'nixos')
    return `Add \`${name}\` to the configuration of the host, and run \`sudo nixos-rebuild switch\`.`
  const root = user.uid === 0 ? '' : 'sudo '
  // OpenRC starts nothing that was only installed.
  const start =
    tool === 'docker' && family === 'alpine' ? ` && ${root}rc-update add docker && ${root}service docker start` : ''
  return `On the host run \`${root}${commands[family]} ${name}${start}\`.`
}

function familyOf({ id, like }: Facts['os']): Family | undefined {
  const words = [id, ...like.split(/\s+/)].map((word) => (word.startsWith('opensuse') ? 'suse' : word))
  return words.find((word): word is Family => word === 'nixos' || word in commands)
}
