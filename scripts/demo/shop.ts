import type { Tree } from '../../__tests__/helpers/tree.ts'

const answers = (fruit: string): string => `import { version } from './version.mjs'

export const answer = (visitor) => \`shop \${version}: ${fruit} (visitor \${visitor})\`
`

// The mistake of the third version: a setting that nobody made on the host.
const broken = `import { version } from './version.mjs'

export const answer = (visitor) => {
  const { percent } = JSON.parse(process.env.DISCOUNT)
  return \`shop \${version}: apples, pears, all \${percent} % off (visitor \${visitor})\`
}
`

const server = `// One page, which says who answers. It counts its visitors in data/, which no deploy may touch.
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { answer } from './answer.mjs'

createServer((request, response) => {
  try {
    appendFileSync('data/visits', '.')
    response.end(\`\${answer(readFileSync('data/visits', 'utf8').length)}\\n\`)
  } catch (error) {
    console.error(error.stack)
    response.writeHead(500).end('Internal Server Error\\n')
  }
}).listen(process.env.PORT, '127.0.0.1')
`

/** What the repository holds at each version. */
export const versions: Record<'v1' | 'v2' | 'v3', Tree> = {
  v1: tree('v1', answers('apples')),
  v2: { ...tree('v2', answers('apples, pears')), 'pears.txt': 'Conference, Williams\n' },
  v3: { ...tree('v3', broken), 'discount.txt': 'Everything must go\n' },
}

function tree(version: string, answer: string): Tree {
  return {
    'version.mjs': `export const version = '${version}'\n`,
    'answer.mjs': answer,
    'server.mjs': server,
  }
}

/** Stops the version that ran and starts the one that lies in `path`, with a session and streams of its own. */
export const activate = (port: number): string => `mkdir -p data
if [ -f data/pid ] && kill "$(cat data/pid)" 2>/dev/null; then
  while kill -0 "$(cat data/pid)" 2>/dev/null; do sleep 0.1; done
fi
PORT=${port} setsid node server.mjs </dev/null >data/log 2>&1 &
echo $! >data/pid
`
