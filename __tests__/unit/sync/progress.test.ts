import { expect, test } from 'vitest'
import { howFar } from '../../../src/sync/rsync.ts'

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
