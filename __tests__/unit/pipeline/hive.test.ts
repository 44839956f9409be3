import { describe, expect, it } from 'vitest'
import { DeployError } from '../../../src/errors.ts'
import { orderOf, refuseSelection } from '../../../src/pipeline/hive-selection.ts'
import { refuseStored } from '../../../src/pipeline/hive-store.ts'
import type { HiveNode } from '../../../src/strategies/colmena/nodes.ts'

const node = (name: string, more: Partial<HiveNode> = {}): HiveNode => ({
  name,
  host: name,
  user: 'root',
  port: null,
  system: 'x86_64-linux',
  toplevel: '',
  drv: '',
  buildOnTarget: false,
  keys: [],
  ...more,
})

function refusal(act: () => void): string {
  try {
    act()
  } catch (error) {
    if (error instanceof DeployError) return `${error.code} ${error.message} ${error.fix}`
    throw error
  }
  return ''
}
const select = (patterns: string[], ...selected: HiveNode[]) =>
  refusal(() => refuseSelection(patterns, { all: ['web-1', 'web-2', 'db'], selected }))

describe('a selection', () => {
  it('of nothing is refused, with the nodes that there are', () => {
    expect(select(['wbe-1'])).toMatch(/^HD-HIVE-01 .*wbe-1.*web-1, web-2, db/)
    expect(select(['@prod'])).toMatch(/^HD-HIVE-01 .*@prod/)
  })

  it('is refused when one of its names is nobody', () => {
    expect(select(['web-1', 'wbe-2'], node('web-1'))).toMatch(/^HD-HIVE-01 .*by wbe-2\./)
    expect(select(['web-*', 'db'], node('web-1'), node('web-2'), node('db'))).toBe('')
  })

  it.each([
    ['has no address', [node('db', { host: null })]],
    ['has an address that is an option', [node('db', { host: '-oProxyCommand=x' })]],
    ['has a user that is an option', [node('db', { user: '-l' })]],
    ['has the address of another', [node('db'), node('web-1', { host: 'db', port: 22 })]],
  ])('is refused when a node %s', (_, nodes) => {
    expect(select(['*'], ...nodes)).toMatch(/^HD-HIVE-03 /)
  })

  it('is deployed to as it was named, and then those of tags', () => {
    const nodes = ['a', 'b', 'db', 'web-1', 'web-2'].map((name) => node(name))
    const names = orderOf(['web-*', 'db', '@all'], nodes).map(({ name }) => name)
    expect(names).toEqual(['web-1', 'web-2', 'db', 'a', 'b'])
  })
})

it('a key from the store is refused by its name', () => {
  const key = { name: 'env', path: '/run/keys/env', user: 'root', group: 'root', late: false }
  expect(refusal(() => refuseStored([node('db', { keys: [{ ...key, stored: false }] })]))).toBe('')
  expect(refusal(() => refuseStored([node('db', { keys: [{ ...key, stored: true }] })]))).toMatch(
    /^HD-HIVE-05 .*env of db/,
  )
})
