import { describe, expect, it } from 'vitest'
import { divideArguments } from '../../../src/strategies/colmena/arguments.ts'
import { globToRegex, nodesExpression, parseNodes } from '../../../src/strategies/colmena/nodes.ts'
import { lastRows, reasonOf } from '../../../src/strategies/colmena/output.ts'

describe('the nodes of a hive', () => {
  it.each([
    ['web-1', 'web-1', 'web-10'],
    ['web-*', 'web-', 'db-web-1'],
    ['web-?', 'web-1', 'web-10'],
    ['web-[12]', 'web-2', 'web-3'],
    ['web-[!12]', 'web-3', 'web-1'],
    ['a.b', 'a.b', 'a-b'],
    ['a+b', 'a+b', 'aab'],
  ])('%s is %s, and not %s', (glob, fits, other) => {
    const regex = new RegExp(`^(?:${globToRegex(glob)})$`)
    expect([regex.test(fits), regex.test(other)]).toEqual([true, false])
  })

  it('asks for tags only when a pattern is about one, since that evaluates every node', () => {
    expect(nodesExpression(['web-*'], true)).not.toContain('.tags or')
    expect(nodesExpression(['@prod', 'web'], true)).toContain('fits [ "web" ] name || any (fits [ "prod" ])')
  })

  it('leaves the systems alone when only addresses are wanted', () => {
    expect(nodesExpression(['web'], false)).not.toContain('top.outPath')
  })

  it.each(['', 'null', '{"all":1}', 'error: nothing'])('takes %j for no answer', (text) => {
    expect(parseNodes(text)).toBeUndefined()
  })
})

it('gives each command the arguments that it knows', () => {
  const words =
    '--impure --eval-node-limit 1 --nix-option cores 2 --color=never -p 3 --show-trace -fhive.nix -f x.nix'.split(' ')
  expect(divideArguments(words)).toEqual({
    all: ['--impure', '--nix-option', 'cores', '2', '--color=never', '--show-trace', '-fhive.nix', '-f', 'x.nix'],
    deploy: ['--eval-node-limit', '1', '-p', '3'],
  })
})

describe('what colmena prints', () => {
  const rows = `       web-1 | Building web-1
       web-2 | Pushing system closure
       web-2 | error: failed to start SSH connection to 'root@web-2'
       web-2 | Push failed: Child process exited with error code: 1
       web-1 | Pushed system closure
             | Failed: Child process exited with error code: 1
`
  const end = (mark: string) => `${mark} Failed to push system closure to web-2 - Last 4 lines of logs:
${mark}  created)
${mark}    state) Running
${mark}   stderr) error: failed to start SSH connection to 'root@web-2'
${mark}  failure) Child process exited with error code: 1
${mark} -----
${mark} Operation failed with error: Child process exited with error code: 1
Hint: Backtrace available - Use \`RUST_BACKTRACE=1\` environment variable to display a backtrace
`
  it('becomes a row a node', () => {
    expect(lastRows(rows + end('ERROR'), ['web-2', 'web-1', 'web-3'])).toEqual([
      'web-2: Push failed: Child process exited with error code: 1',
      'web-1: Pushed system closure',
    ])
  })

  it.each([
    ['its rows', rows],
    ['the end, as 0.5 has it', end('ERROR')],
    ['the end, as 0.4 has it', end('[ERROR]')],
  ])('names the error and not that there was one: from %s', (_, output) => {
    expect(reasonOf(output)).toBe("error: failed to start SSH connection to 'root@web-2'")
  })

  it('names what colmena itself has to say, and else its last line', () => {
    const lost = 'ERROR Operation failed with error: Error processing key "env": I/O Error: No such file or directory'
    expect(reasonOf(`web | Uploading key env\n${lost}\nHint: Backtrace available`)).toBe(
      'Error processing key "env": I/O Error: No such file or directory',
    )
    expect(reasonOf('thread panicked\n\n')).toBe('thread panicked')
    expect(reasonOf('')).toBe('')
  })
})
