# As much of nixpkgs as a hive has to name; `lib` is there when the lab runs with a colmena that is real.
{
  lib = import ./lib;
  path = ./.;
  system = "x86_64-linux";
  overlays = [];
  config = {};
}
