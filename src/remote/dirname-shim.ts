// ssh2's WebAssembly loader reads `__dirname`, which an ESM bundle does not have; without this the action dies
// while it starts. A bare `__dirname` resolves through the global object, so it has to be set before ssh2 loads:
// this import stays first in main.ts.
Object.assign(globalThis, { __dirname: import.meta.dirname })
