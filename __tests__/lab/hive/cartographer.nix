# Cartographer's hive: its nodes are what Terraform wrote down about them.
with builtins;
let
  system = ./system;

  secret = user: uploadAt: source: { inherit user uploadAt; group = user; } // source;
  file = name: { keyFile = getEnv "PWD" + "/${name}"; };

  node = environment: let
    infra = fromJSON (readFile (./. + "/infra-${environment}.json"));
  in {
    deployment = {
      tags = [ environment "all" ];
      # By a root as well as by a user that has to ask sudo.
      privilegeEscalationCommand = [ "sudo" "-H" "-n" "--" ];
      keys = {
        "env" = secret "root" "pre-activation" (if infra.pure then { keyCommand = [ "cat" ".env.production" ]; } else file ".env.production");
        "tls.key" = secret "cartographer" "post-activation" (if infra.pure then { text = "of ${environment}"; } else file "tls/key.pem");
      };
    } // infra.deployment;

    # A raw derivation: all that the activation needs, and no more.
    system.build.toplevel = derivation {
      name = "nixos-system-cartographer-${environment}-${readFile ./system/label}";
      system = infra.system;
      builder = "/bin/sh";
      PATH = "/usr/bin:/bin";
      inherit environment;
      args = [ "-euc" ''
        mkdir -p $out/bin $out/etc/systemd/system
        cp -r ${system}/. $out/
        echo $environment >$out/environment
        sed s,@OUT@,$out, $out/cartographer.service >$out/etc/systemd/system/cartographer.service
        mv $out/switch-to-configuration $out/bin/
        chmod +x $out/bin/*
        # A shell that becomes its last command closes its output before it has ended, and Nix then kills it.
        exit 0
      '' ];
    };
  };
in {
  meta = {
    nixpkgs = import ./nixpkgs;
    allowApplyAll = false;
  };
  cartographer-staging = node "staging";
  cartographer-prod = node "prod";
}
