import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { howFar as howFarOfGit } from '../../../src/sync/git.ts'
import { scanSource } from '../../../src/sync/manifest.ts'
import { Patterns } from '../../../src/sync/patterns.ts'
import { howFar } from '../../../src/sync/rsync.ts'
import { type Sent, sendTar } from '../../../src/sync/tar.ts'
import { scratch } from '../../helpers/scratch.ts'
import { writeTree } from '../../helpers/tree.ts'

test.each([
  ['what it began with', '\r         32,768   0%    0.00kB/s    0:00:00  \r', '0.0 MB by rsync (0 %)'],
  [
    'the last of several',
    '\r        300,000   0%   84.95MB/s    0:00:00 (xfr#3, to-chk=1/4)\r     21,828,576  72%   19.50MB/s    0:00:00  \r',
    '3 of 4 files, 21.8 MB by rsync (72 %)',
  ],
  [
    'its end',
    '\r     30,300,000 100%   20.69MB/s    0:00:01 (xfr#4, to-chk=0/4)\r\n',
    '4 of 4 files, 30.3 MB by rsync (100 %)',
  ],
  ['something else', 'Number of files: 4 (reg: 4)\n', ''],
])('rsync says how far it is: %s', (_, text, news) => {
  expect(howFar(text, 4)).toBe(news)
})

test.each([
  ['what is packed', '\rCompressing objects:  45% (9/20)\r', '9 of 20 objects packed by git (45 %)', 0],
  [
    'the last of several',
    'Writing objects:  10% (2/20)\rWriting objects:  45% (9/20), 1.50 MiB | 3.00 MiB/s\r',
    '9 of 20 objects sent, 1.6 MB by git (45 %)',
    1_572_864,
  ],
  [
    'its end',
    'Writing objects: 100% (3/3), 229 bytes | 229.00 KiB/s, done.\nTotal 3 (delta 0), reused 0 (delta 0)\n',
    '3 of 3 objects sent, 0.0 MB by git (100 %)',
    229,
  ],
])('git says how far it is: %s', (_, said, text, bytes) => {
  expect(howFarOfGit(said)).toEqual({ text, bytes })
  expect(howFarOfGit('To host:repo\n')).toBeUndefined()
})

test('tar says how far it is by what is read, also within one large file', async () => {
  await using folder = await scratch('progress')
  await writeTree(folder.path, { small: 'x', zeros: '\0'.repeat(8_000_000) })
  const news: Sent[] = []
  const entries = await scanSource(folder.path, new Patterns([]))
  await sendTar(folder.path, entries, new PassThrough().resume(), {
    compress: false,
    onProgress: (sent) => news.push(sent),
  })
  const percents = news.map(({ percent }) => percent)
  expect(percents).toEqual(percents.toSorted((a, b) => a - b))
  expect(percents.filter((percent) => percent > 5 && percent < 95).length).toBeGreaterThan(5)
  expect(percents.at(-1)).toBe(100)
})
