/** Those that every command of colmena takes; all others are for `apply` and `upload-keys` alone. The number says how many words come behind. */
const ofAll: Readonly<Record<string, number>> = {
  '--impure': 0,
  '--show-trace': 0,
  '--legacy-flake-eval': 0,
  '--experimental-flake-eval': 0,
  '--nix-option': 2,
  '--color': 1,
  '--config': 1,
  '-f': 1,
}

/** The words of `colmena-args`, divided into those that every command takes and the rest. */
export function divideArguments(words: readonly string[]): { all: string[]; deploy: string[] } {
  const all: string[] = []
  const deploy: string[] = []
  for (let at = 0; at < words.length; ) {
    const word = words[at] ?? ''
    const [name = ''] = /^-f./.test(word) ? ['-f'] : word.split('=', 1)
    const more = name === word ? (ofAll[name] ?? 0) : 0
    const into = name in ofAll ? all : deploy
    into.push(...words.slice(at, at + 1 + more))
    at += 1 + more
  }
  return { all, deploy }
}
