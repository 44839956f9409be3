import { globSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { heredoc, quote } from '../../src/shell.ts'
import type { Layer } from './layers.ts'
import { imagesFolder } from './paths.ts'

/** A workspace of FastAPI, in two states of its dependencies, and everything that both need, in uv's cache. */
export const workspaceFolder = join(import.meta.dirname, 'egograph')
const locks = '/opt/egograph-locks'
const version = '0.13.8'

/** More dependencies than before: the one by which a test knows the environments apart. */
export const signed = (pyproject: string) => pyproject.replace('"fastapi", ', '"fastapi", "itsdangerous", ')

export function workspaceFiles(): Record<string, string> {
  const names = globSync('**/*.{toml,py,service}', { cwd: workspaceFolder }).sort()
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(workspaceFolder, name), 'utf8')]))
}

function write(files: Record<string, string>): string {
  return Object.entries(files)
    .map(([name, text]) => `mkdir -p "$(dirname ${quote(name)})"\n${heredoc(`cat >${quote(name)}`, text)}`)
    .join('')
}

/** uv where its installer puts it, for two users; no host has a way out, so that it uses what is in the cache. */
function script(): string {
  const files = workspaceFiles()
  const backend = 'backend/pyproject.toml'
  return `python3 -m pip install --quiet --target /tmp/uv uv==${version}
for home in /root /home/deploy /home/limited; do install -D /tmp/uv/bin/uv "$home/.local/bin/uv"; done
export UV_CACHE_DIR=/var/cache/uv UV_NO_PROGRESS=1 UV_LINK_MODE=copy
mkdir -p ${locks} /tmp/warm && cd /tmp/warm
${write(files)}
printf 1 >VERSION; printf good >BEHAVIOUR
sync() { /root/.local/bin/uv sync --quiet --all-packages --no-managed-python; cp uv.lock "${locks}/$1"; }
sync plain
${write({ [backend]: signed(files[backend] ?? '') })}
sync signed
chmod -R a+rwX /var/cache/uv
chown -R 1000:1000 /home/deploy/.local; chown -R 1001:1001 /home/limited/.local
printf 'UV_CACHE_DIR=/var/cache/uv\\nUV_OFFLINE=1\\nUV_NO_MANAGED_PYTHON=1\\n' >>/etc/environment
cd /; rm -rf /tmp/warm /tmp/uv
`
}

export const uvLayer: Layer = { packages: ['python3-pip'], script: script() }

/** The locks were made with the image: what is newest, and where it comes from, is not for a repository to say. */
export async function lockOf(kind: 'plain' | 'signed'): Promise<string> {
  return await readFile(join(imagesFolder, 'uv', locks, kind), 'utf8')
}
