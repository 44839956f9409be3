import { expect, test } from 'vitest'
import { type ReleaseRecord, releaseId } from '../../../src/remote/state.ts'

const at = new Date('2026-11-21T07:04:05.678Z')
const commit = '4f3c2a1b'.repeat(5)
const release = (id: string) => ({ id }) as ReleaseRecord

test('an id tells the time and the commit', () => {
  expect(releaseId(at, commit, { current: '', pending: '', releases: [] })).toBe('20261121-070405-4f3c2a1')
  expect(releaseId(at, '', { current: '', pending: '', releases: [] })).toBe('20261121-070405')
})

test('a second deploy within the same second gets an id of its own', () => {
  const first = releaseId(at, commit, { current: '', pending: '', releases: [] })
  const second = releaseId(at, commit, { current: first, pending: '', releases: [release(first)] })
  const third = releaseId(at, commit, { current: second, pending: '', releases: [release(first), release(second)] })
  expect([first, second, third]).toEqual([first, `${first}-2`, `${first}-3`])
  expect([third, first, second].toSorted()).toEqual([first, second, third])
})
