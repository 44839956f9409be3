import type { ColmenaKey } from './options.ts'

/** A node of the hive that was selected, as the hive describes it. */
export interface HiveNode {
  readonly name: string
  /** `deployment.targetHost`; null is a node that can be deployed to by itself only. */
  readonly host: string | null
  readonly user: string | null
  readonly port: number | null
  /** Such as `x86_64-linux`; empty where it was not asked. */
  readonly system: string
  /** The store path of its system; empty where it was not asked. */
  readonly toplevel: string
  /** What it is built from. */
  readonly drv: string
  readonly buildOnTarget: boolean
  readonly keys: readonly HiveKey[]
}

export interface HiveKey extends ColmenaKey {
  readonly name: string
  /** Its content is a file of the Nix store, which everybody may read. */
  readonly stored: boolean
}

export interface Hive {
  /** The names of all nodes there are. */
  readonly all: readonly string[]
  readonly selected: readonly HiveNode[]
}

/**
 * The expression for `colmena eval -E`: the nodes that these patterns select, as `--on` would. Systems are evaluated only
 * when they are asked for, since that takes long.
 */
export function nodesExpression(patterns: readonly string[], systems: boolean): string {
  const regexes = (kind: (pattern: string) => string | undefined) =>
    patterns.flatMap((pattern) => kind(pattern) ?? []).map((pattern) => nixString(globToRegex(pattern)))
  const names = regexes((pattern) => (pattern.startsWith('@') ? undefined : pattern))
  const tags = regexes((pattern) => (pattern.startsWith('@') ? pattern.slice(1) : undefined))
  const system = systems
    ? 'system = top.system or ""; toplevel = unsafeDiscardStringContext top.outPath; drv = unsafeDiscardStringContext (top.drvPath or "");'
    : 'system = ""; toplevel = ""; drv = "";'
  return `{ nodes, ... }: with builtins; let
  deployment = name: nodes.\${name}.config.deployment or {};
  fits = patterns: text: any (pattern: match pattern text != null) patterns;
  selected = name: fits [ ${names.join(' ')} ] name || any (fits [ ${tags.join(' ')} ]) (${tags.length === 0 ? '[]' : '(deployment name).tags or []'});
  inStore = file: file != null && (isPath file || substring 0 (stringLength storeDir + 1) (toString file) == storeDir + "/");
  key = name: key: {
    inherit name;
    path = key.path or ((key.destDir or "/run/keys") + "/" + (key.name or name));
    user = key.user or "root";
    group = key.group or "root";
    late = (key.uploadAt or "pre-activation") == "post-activation";
    stored = inStore (key.keyFile or null);
  };
  node = name: let d = deployment name; top = nodes.\${name}.config.system.build.toplevel; keys = d.keys or {}; in {
    inherit name;
    host = d.targetHost or name;
    user = d.targetUser or "root";
    port = d.targetPort or null;
    buildOnTarget = d.buildOnTarget or false;
    keys = map (each: key each keys.\${each}) (attrNames keys);
    ${system}
  };
in { all = attrNames nodes; selected = map node (filter selected (attrNames nodes)); }`
}

/** What `colmena eval` printed; undefined when that is no answer to the expression. */
export function parseNodes(text: string): Hive | undefined {
  try {
    const { all, selected } = JSON.parse(text) as Hive
    return Array.isArray(all) && Array.isArray(selected) ? { all, selected } : undefined
  } catch {
    return undefined
  }
}

/** A pattern of `--on`, for `builtins.match`, which wants the whole text to fit. */
export function globToRegex(glob: string): string {
  return glob.replace(/\[(!?)([^\]]+)\]|[^A-Za-z0-9_-]/g, (found, not: string, among: string | undefined) => {
    if (among !== undefined) return `[${not && '^'}${among}]`
    return { '*': '.*', '?': '.' }[found] ?? `[${found}]`
  })
}

function nixString(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('${', '\\${')}"`
}
