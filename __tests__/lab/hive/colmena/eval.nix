# A stand-in for what colmena brings in Nix, which needs nixpkgs: nodes that are plain attribute sets, with the defaults of `deployment`.
{ rawHive, ... }:
with builtins;
let
  given = removeAttrs rawHive [ "meta" "defaults" "network" ];
  pick = names: set: listToAttrs (map (name: { inherit name; value = set.${name}; }) (filter (name: elem name names) (attrNames set)));

  withPath = key: { path = "${key.destDir}/${key.name}"; } // key;
  key = name: more: withPath ({
    inherit name;
    text = null; keyFile = null; keyCommand = null;
    destDir = "/run/keys"; user = "root"; group = "root"; permissions = "0600"; uploadAt = "pre-activation";
  } // more);

  deployment = name: more: {
    targetHost = name; targetPort = null; targetUser = "root";
    allowLocalDeployment = false; buildOnTarget = false; replaceUnknownProfiles = true;
    privilegeEscalationCommand = [ "sudo" "-H" "--" ]; sshOptions = []; tags = [];
  } // more // { keys = mapAttrs key (more.keys or {}); };
in rec {
  __schema = "v0.5";
  nodes = mapAttrs (name: node: { config = node // { deployment = deployment name (node.deployment or {}); }; }) given;
  toplevel = mapAttrs (_: node: node.config.system.build.toplevel) nodes;
  deploymentConfig = mapAttrs (_: node: node.config.deployment) nodes;
  deploymentConfigSelected = names: pick names deploymentConfig;
  evalSelected = names: pick names toplevel;
  evalSelectedDrvPaths = names: mapAttrs (_: system: system.drvPath) (evalSelected names);
  metaConfig = { name = "hive"; description = ""; machinesFile = null; allowApplyAll = rawHive.meta.allowApplyAll or true; };
  introspect = f: f { lib = {}; pkgs = {}; inherit nodes; };
}
