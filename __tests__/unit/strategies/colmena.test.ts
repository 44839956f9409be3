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
  const words = '--impure --eval-node-limit 1 --nix-option cores 2 --color=never -p 3 --show-trace'.split(' ')
  expect(divideArguments(words)).toEqual({
    all: ['--impure', '--nix-option', 'cores', '2', '--color=never', '--show-trace'],
    deploy: ['--eval-node-limit', '1', '-p', '3'],
  })
})

describe('what colmena prints', () => {
  const output = `[INFO ] Using flake: git+file:///work
       web-1 | Building /nix/store/a.drv
       web-2 | error: builder for '/nix/store/b.drv' failed with exit code 1
       web-2 | Failed: Child process exited with error code: 1
       web-1 | Pushed system closure
             | Failed to complete requested operation
[ERROR] -----
[ERROR] Operation failed with error: Failed to deploy to some nodes
`
  it('becomes a row a node', () => {
    expect(lastRows(output, ['web-2', 'web-1', 'web-3'])).toEqual([
      'web-2: Failed: Child process exited with error code: 1',
      'web-1: Pushed system closure',
    ])
  })

  it('names the error and not that there was one', () => {
    expect(reasonOf(output)).toBe("error: builder for '/nix/store/b.drv' failed with exit code 1")
    expect(reasonOf('[ERROR] Operation failed')).toBe('[ERROR] Operation failed')
    expect(reasonOf('')).toBe('')
  })
})
