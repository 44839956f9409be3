import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, until } from './command.ts'
import { type LabHost, type LabHostOptions, labHost } from './host.ts'
import { addressOf } from './network.ts'
import { hostsFolder } from './paths.ts'
import { tailnetPrograms } from './tailnet-programs.ts'

const address = addressOf(2)
const url = `https://${address}:8443`
export const domain = 'tail.lab.test'

export interface Node {
  readonly id: string
  readonly name: string
  readonly given_name: string
  readonly online?: boolean
  readonly tags?: readonly string[]
}

interface KeyOptions {
  readonly ephemeral?: boolean
  readonly reusable?: boolean
  /** Such as `1h`. */
  readonly expiration?: string
}

/** Who may do what, unless a test says otherwise. */
export const openPolicy = {
  tagOwners: { 'tag:ci': ['lab@'], 'tag:homelab': ['lab@'], 'tag:other': ['lab@'] },
  acls: [{ action: 'accept', src: ['tag:ci'], dst: ['tag:homelab:*'] }],
  ssh: [{ action: 'accept', src: ['tag:ci'], dst: ['tag:homelab'], users: ['root', 'deploy'] }],
}

/** A real control server with a relay (DERP) of its own, on the lab's network, and its certificate's authority. */
export class Headscale implements AsyncDisposable {
  readonly url = url
  /** The file of the authority that signed the server's certificate. */
  readonly authority: string
  readonly programs: string
  readonly #folder: string
  readonly #process: ChildProcess

  private constructor(folder: string, programs: string, process: ChildProcess) {
    this.#folder = folder
    this.programs = programs
    this.#process = process
    this.authority = join(folder, 'ca.pem')
  }

  static async start(): Promise<Headscale> {
    const programs = await tailnetPrograms()
    const folder = join(hostsFolder, 'headscale')
    // Its ports are fixed, so there is one at a time.
    const taken = async () =>
      await mkdir(folder).then(
        () => true,
        () => false,
      )
    await until('another Headscale to end', taken, 15 * 60_000, 500)
    await run(['sh', '-euc', certificates, 'sh', folder, address])
    await writeFile(join(folder, 'policy.json'), JSON.stringify(openPolicy))
    await writeFile(join(folder, 'config.yaml'), config(folder))
    const log = openSync(join(folder, 'log'), 'a')
    const child = spawn(join(programs, 'headscale'), ['serve', '-c', join(folder, 'config.yaml')], {
      stdio: ['ignore', log, log],
    })
    const server = new Headscale(folder, programs, child)
    const up = async () =>
      await server.#ask('users', 'list').then(
        () => true,
        () => false,
      )
    await until('Headscale', up, 20_000, 100).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await readFile(join(folder, 'log'), 'utf8')}`)
    })
    await server.#ask('users', 'create', 'lab')
    return server
  }

  async key(tag: string, { ephemeral = true, reusable = true, expiration = '1h' }: KeyOptions = {}): Promise<string> {
    const flags = [...(ephemeral ? ['--ephemeral'] : []), ...(reusable ? ['--reusable'] : [])]
    return (
      await this.#ask<{ key: string }>('preauthkeys', 'create', '--tags', tag, '--expiration', expiration, ...flags)
    ).key
  }

  /** What somebody types at the server, and reads there. */
  async typed(command: string): Promise<string> {
    const program = `${join(this.programs, 'headscale')} -c ${join(this.#folder, 'config.yaml')}`
    return await run(['sh', '-ec', `headscale() { ${program} "$@"; }\n${command}`])
  }

  async nodes(): Promise<Node[]> {
    return (await this.#ask<Node[] | null>('nodes', 'list')) ?? []
  }

  /** The nodes that runners became: after a run there must be none. */
  async runners(): Promise<string[]> {
    return (await this.nodes()).map(({ given_name }) => given_name).filter((name) => name.startsWith('gha-'))
  }

  async setPolicy(policy: unknown): Promise<void> {
    const file = join(this.#folder, 'policy.json')
    await writeFile(file, JSON.stringify(policy))
    const read = async () => (await readFile(join(this.#folder, 'log'), 'utf8')).split('policy').length
    const before = await read()
    this.#process.kill('SIGHUP')
    await until('the new policy', async () => (await read()) > before, 10_000, 50)
  }

  async expire(name: string): Promise<void> {
    const node = (await this.nodes()).find(({ given_name }) => given_name === name)
    await this.#ask('nodes', 'expire', '--identifier', node?.id ?? '')
  }

  /** A Debian host that is in the tailnet as a node of its own name; with `ssh`, tailscaled is its sshd on port 22. */
  async host(options: LabHostOptions & { name: string; ssh?: boolean; tag?: string }): Promise<LabHost> {
    const nspawn = [`--bind-ro=${this.programs}:/opt/tailnet`, '--bind=/dev/net/tun']
    const host = await labHost({ ...options, nspawn })
    try {
      await host.write('/etc', { 'lab-ca.pem': await readFile(this.authority, 'utf8') }, 'root')
      await host.write('/etc/systemd/system', { 'tailscaled.service': unit }, 'root')
      await host.sh('systemctl daemon-reload; systemctl start tailscaled')
      await this.join(host, options)
    } catch (error) {
      await host[Symbol.asyncDispose]()
      throw error
    }
    return host
  }

  async join(host: LabHost, { ssh = false, tag = 'tag:homelab' }: { ssh?: boolean; tag?: string } = {}): Promise<void> {
    const key = await this.key(tag, { ephemeral: false })
    const up = `/opt/tailnet/tailscale up --login-server=${url} --auth-key=${key} --hostname=${host.name} --timeout=60s`
    await host.sh(`${up} --accept-dns=false --ssh=${ssh}`)
  }

  async log(): Promise<string> {
    return await readFile(join(this.#folder, 'log'), 'utf8')
  }

  async #ask<T>(...words: string[]): Promise<T> {
    const command = [join(this.programs, 'headscale'), '-c', join(this.#folder, 'config.yaml'), '-o', 'json', ...words]
    return JSON.parse(await run(command)) as T
  }

  async [Symbol.asyncDispose]() {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await gone
    await rm(this.#folder, { recursive: true, force: true })
  }
}

const unit = `[Service]
Type=notify
Environment=SSL_CERT_FILE=/etc/lab-ca.pem
ExecStart=/opt/tailnet/tailscaled --no-logs-no-support --statedir=/var/lib/tailscale --socket=/run/tailscale/tailscaled.sock
RuntimeDirectory=tailscale
StateDirectory=tailscale
`

const certificates = `cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout server.key -out server.csr 2>/dev/null
echo "subjectAltName=IP:$2" > names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile names 2>/dev/null
`

const config = (folder: string) => `server_url: ${url}
listen_addr: ${address}:8443
metrics_listen_addr: 127.0.0.1:9099
grpc_listen_addr: 127.0.0.1:50443
noise: { private_key_path: ${folder}/noise.key }
prefixes: { v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential }
derp:
  server:
    enabled: true
    region_id: 999
    region_code: lab
    region_name: Lab
    verify_clients: true
    stun_listen_addr: "${address}:3478"
    private_key_path: ${folder}/derp.key
    automatically_add_embedded_derp_region: true
    ipv4: ${address}
  urls: []
  paths: []
  auto_update_enabled: false
disable_check_updates: true
# Long: a node that is not logged out is still there when a test counts.
node: { ephemeral: { inactivity_timeout: 30m } }
database: { type: sqlite, sqlite: { path: ${folder}/db.sqlite } }
tls_cert_path: ${folder}/server.pem
tls_key_path: ${folder}/server.key
log: { level: info }
policy: { mode: file, path: ${folder}/policy.json }
dns: { magic_dns: true, base_domain: ${domain}, override_local_dns: false, nameservers: { global: [] }, search_domains: [], extra_records: [] }
unix_socket: ${folder}/socket
logtail: { enabled: false }
`
