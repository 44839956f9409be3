{
  # As `colmena.lib.makeHive self.outputs.colmena` does it, with what would be an input of the flake in a folder of its own.
  outputs = { self }: {
    colmena = import ./cartographer.nix;
    colmenaHive = import ./colmena/eval.nix {
      rawHive = self.colmena;
      colmenaOptions = import ./colmena/options.nix;
      colmenaModules = import ./colmena/modules.nix;
      hermetic = true;
    };
  };
}
