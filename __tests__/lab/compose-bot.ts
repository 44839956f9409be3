import { createHash } from 'node:crypto'
import { type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { type Tree, writeTree } from '../helpers/tree.ts'
import { type LabHost, type LabHostOptions, labHost } from './host.ts'
import { type Registry, trust, waitForEngine } from './registry.ts'

/** What a version of the bot does: talks, and stays. */
export const bot = (version: string) =>
  `echo "Logged in as ${version}"; trap 'exit 0' TERM; while :; do sleep 0.2; done`

export interface BotDeploy {
  readonly compose: string
  readonly tree?: Tree
  readonly inputs?: Record<string, string>
  readonly options?: Partial<RunOptions>
}

/** A bot under Compose on a lab host, deployed as its owner does. */
export class ComposeBot {
  readonly host: LabHost
  readonly registry: Registry
  readonly path: string

  constructor(host: LabHost, registry: Registry, path = '/volume1/docker/bot') {
    this.host = host
    this.registry = registry
    this.path = path
  }

  get state(): string {
    return this.host.user === 'root'
      ? '/var/lib/homelab-deploy/bot'
      : `/home/${this.host.user}/.local/state/homelab-deploy/bot`
  }

  compose(more = '', image = 'bot:latest'): string {
    return `services:
  bot:
    image: ${this.registry.name}/${image}
    restart: unless-stopped
    stop_grace_period: 1s
    environment: { TOKEN: "\${BOT_TOKEN}" }
    volumes: [ "./data:/data" ]
${more}`
  }

  connection(): Record<string, string> {
    return {
      host: `${this.host.user}@${this.host.address}`,
      'ssh-key': this.host.clientKey.private,
      'host-key': this.host.knownHostsLine,
      name: 'bot',
    }
  }

  async start(
    { compose, tree, inputs, options }: BotDeploy,
    during?: (run: ReturnType<typeof startAction>) => void,
  ): Promise<RunResult> {
    await using workspace = await scratch('lab-workspace')
    await writeTree(workspace.path, { ...(compose && { 'compose.yaml': compose }), ...tree })
    const run = startAction({
      ...options,
      workspace: workspace.path,
      sha: createHash('sha1')
        .update(JSON.stringify([compose, tree]))
        .digest('hex'),
      inputs: {
        ...this.connection(),
        path: this.path,
        strategy: 'compose',
        'health-timeout': '8s',
        'health-stable': '2s',
        'confirm-timeout': '40s',
        registry: this.registry.name,
        'registry-username': this.registry.user,
        'registry-password': this.registry.password,
        'env-file': 'BOT_TOKEN=the-token-of-the-bot',
        ...inputs,
      },
    })
    during?.(run)
    return await run.finished
  }

  deploy(more: Partial<BotDeploy> = {}): Promise<RunResult> {
    return this.start({ compose: this.compose(), ...more })
  }

  async rollback(inputs: Record<string, string> = {}): Promise<RunResult> {
    await using workspace = await scratch('lab-workspace')
    return await startAction({
      workspace: workspace.path,
      inputs: { ...this.connection(), mode: 'rollback', 'health-stable': '2s', ...inputs },
    }).finished
  }

  /** What the bot said last. */
  async says(): Promise<string> {
    return (await this.host.try('docker logs --tail 1 bot-bot-1 2>&1')).stdout.trim()
  }

  /** Nothing of a deploy is left: no login, password, lock, work directory, container of another version. */
  async leftovers(): Promise<string> {
    return await this.host.sh(
      `cd ${this.state}; ls -d lock* pending.json work releases/*/secrets 2>/dev/null
      grep -rl '${this.registry.password}' . 2>/dev/null
      for home in /root /home/*; do ! grep -q auth $home/.docker/config.json 2>/dev/null || echo "$home is logged in"; done
      docker ps -a --format '{{.Names}}' | grep -E '^[0-9a-f]{12}_'; true`,
    )
  }
}

/** What a failed expectation shows. */
export const said = ({ maskedLog, summary }: RunResult) => `${maskedLog}\n${summary}`

/** A host with an engine that speaks to the lab's registry. */
export async function engineHost(name: string, registry: Registry, options: LabHostOptions = {}): Promise<LabHost> {
  const host = await labHost({ name, user: 'root', layers: ['docker'], ...options })
  await host.sh(trust(registry.name))
  await waitForEngine(host)
  return host
}
