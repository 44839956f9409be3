import { DeployError } from '../errors.ts'
import { type OpenSsh, openSshFor } from '../remote/openssh.ts'
import { type Address, showAddress, type Target } from '../remote/target.ts'
import type { StepNote } from '../report/recorder.ts'
import { type Followed, followTool } from '../runner/follow.ts'
import { divideArguments } from '../strategies/colmena/arguments.ts'
import { type HiveNode, nodesExpression, parseNodes } from '../strategies/colmena/nodes.ts'
import type { ColmenaOptions } from '../strategies/colmena/options.ts'
import { lastRows, reasonOf } from '../strategies/colmena/output.ts'
import type { Context } from './context.ts'
import type { Reached } from './fleet.ts'
import { orderOf, refuseSelection } from './hive-selection.ts'
import { refuseForeign, refuseStored } from './hive-store.ts'
import type { HivePlan } from './plan.ts'

type Outside = Omit<Context, 'colmena'>

/** Its last lines are read: whatever the job has set, there is no colour in them, and they are not those of its own stack. */
const plain = { NO_COLOR: '1', CLICOLOR: '0', CLICOLOR_FORCE: '0', RUST_BACKTRACE: '0' }

/** The hive of a run: what is in it, and the program on the runner that builds, pushes and uploads keys. */
export class Colmena {
  readonly #context: Outside
  readonly #hive: HivePlan
  readonly #nodes = new Map<string, HiveNode>()

  constructor(context: Outside, hive: HivePlan) {
    this.#context = context
    this.#hive = hive
  }

  /** Who the nodes are, before anything else: everything later is about these. `wanted`: what they are to run as well. */
  async evaluate({ note }: StepNote, wanted: boolean): Promise<Target[]> {
    const { log } = this.#context
    const answer = await this.#run(['eval', '-E', nodesExpression(this.#hive.nodes, wanted)])
    const hive = answer.code === 0 ? parseNodes(answer.stdout) : undefined
    if (hive === undefined) throw notEvaluated(answer)
    refuseSelection(this.#hive.nodes, hive)
    const nodes = orderOf(this.#hive.nodes, hive.selected)
    refuseStored(nodes)
    if (wanted) await refuseForeign(nodes, this.#hive.args)
    const targets = nodes.map((node) => {
      const address: Address = { user: node.user ?? 'root', host: node.host ?? '', port: node.port ?? 22 }
      this.#nodes.set(showAddress(address), node)
      return { ...this.#hive.login, address }
    })
    note(nodes.map(({ name }, index) => `${name}: ${showAddress((targets[index] as Target).address)}`).join('; '))
    if (wanted) for (const { name, toplevel } of nodes) log.info(`${name}: ${toplevel}`)
    return targets
  }

  nodeOf({ address }: Target): HiveNode {
    const node = this.#nodes.get(showAddress(address))
    if (node === undefined) throw new TypeError(`${showAddress(address)} is no node of the hive`)
    return node
  }

  optionsFor(target: Target): ColmenaOptions {
    const { name: node, toplevel, keys } = this.nodeOf(target)
    const { native } = this.#hive
    const judged = this.#context.plan.health.checks.length > 0
    const known = keys.map(({ path, user, group, late }) => ({ path, user, group, late }))
    return { node, toplevel, keys: known, native, judged }
  }

  /**
   * `colmena apply GOAL` or `colmena upload-keys` on these nodes; says a row a node. It reaches them as this run does: by keys that
   * it has verified, and through its network.
   */
  async deploy(
    verb: readonly string[],
    members: readonly Reached[],
    { network }: Pick<Context, 'network'>,
    note: (text: string) => void,
  ): Promise<Followed> {
    const known = members.map(({ target, host }) => ({
      target,
      hostKeyLine: host.hostKeyLine,
      jumpKeyLine: host.jumpKeyLine,
    }))
    await using ssh = await openSshFor(known, this.#context.plan.run.temp, network)
    const names = members.map(({ target }) => this.nodeOf(target).name)
    const answer = await this.#run([...verb, '--on', names.join(',')], ssh)
    note(lastRows(answer.tail, names).join('; '))
    return answer
  }

  async #run(verb: readonly string[], ssh?: OpenSsh): Promise<Followed> {
    const { plan, log, signal } = this.#context
    const { all, deploy } = divideArguments(this.#hive.args)
    const { source } = plan.sync
    const answer = await followTool('colmena', [...verb, ...all, ...(ssh ? deploy : [])], {
      cwd: source,
      signal,
      env: { ...jobEnvironment(), ...ssh?.env, ...plain, PWD: source },
      onLine: (line) => log.info(line),
    })
    if (!answer.missing) return answer
    throw new DeployError('HD-PATH-01', 'colmena is missing on the runner.', {
      why: 'It was searched on the PATH of this step.',
      fix: 'Install Nix and colmena before this step, the version that your flake pins: `nix profile install .#colmena`, or `nixpkgs#colmena`.',
    })
  }
}

/**
 * The hive, and the commands by which keys are made, may read what the job has set, and inputs of a flake may need its agent; nothing
 * that is GitHub's or ours, but for what the runner knows the processes of a job by.
 */
function jobEnvironment(): Record<string, string> {
  const ours = /^(INPUT_|STATE_|ACTIONS_|GITHUB_|RUNNER_(?!TRACKING_ID$)|NODE_OPTIONS$)/
  const kept = Object.entries(process.env).filter(([name, value]) => value !== undefined && !ours.test(name))
  return Object.fromEntries(kept) as Record<string, string>
}

function notEvaluated({ tail, code }: Followed): DeployError {
  const why = reasonOf(tail)
  const other = /colmenaHive|compatible with this version/.test(why)
  return new DeployError('HD-HIVE-02', 'The hive could not be evaluated.', {
    why: why || (code === 0 ? 'colmena gave no answer that can be read.' : 'colmena ended without a word.'),
    fix: other
      ? 'colmena on the runner is not the one that the flake is written for: 0.5 evaluates the output `colmenaHive`, made by `lib.makeHive` of the same version, and 0.4 the output `colmena`. Install the one that the flake pins (`nix profile install .#colmena`). Nothing was touched.'
      : 'Run `colmena eval -E "{ nodes, ... }: builtins.attrNames nodes"` where the hive is, with the same `colmena-args`. Nothing was touched.',
    detail: tail,
  })
}
