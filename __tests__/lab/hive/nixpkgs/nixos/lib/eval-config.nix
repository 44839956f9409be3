# What a colmena that is real calls to evaluate a node: the module system of nixpkgs, with as many options as the hive and colmena's own modules name.
{ modules, specialArgs ? {}, ... }:
let
  lib = import ../../lib;
  inherit (lib) mkOption types;
  set = mkOption { type = types.attrsOf types.raw; default = {}; };
  list = mkOption { type = types.listOf types.raw; default = []; };
in lib.evalModules {
  specialArgs = { pkgs = import ../..; } // specialArgs;
  modules = modules ++ [{
    options = {
      assertions = list;
      warnings = list;
      nixpkgs = { overlays = list; config = set; };
      system = { build = set; activationScripts = set; };
      systemd = { paths = set; services = set; };
    };
  }];
}
