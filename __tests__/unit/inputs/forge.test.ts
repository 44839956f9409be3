import { expect, test } from 'vitest'
import { docsBase, forgeOf, runPage } from '../../../src/inputs/forge.ts'

const common = {
  GITHUB_SERVER_URL: 'https://git.example.org',
  GITHUB_REPOSITORY: 'acme/shop',
  GITHUB_RUN_ID: '4711',
  GITHUB_RUN_NUMBER: '8',
  GITHUB_RUN_ATTEMPT: '2',
  GITHUB_ACTION_REPOSITORY: 'org/homelab-deploy',
  GITHUB_ACTION_REF: 'v1.2.3',
}
const gitea = { ...common, GITEA_ACTIONS: 'true' }
const forgejo = { ...gitea, FORGEJO_ACTIONS: 'true' }

test('each forge is known by what its runner says', () => {
  expect([common, gitea, forgejo].map((env) => forgeOf(env).name)).toEqual(['GitHub', 'Gitea', 'Forgejo'])
})

test('a run is found where its forge has it', () => {
  const page = 'https://git.example.org/acme/shop/actions/runs'
  expect(runPage(common)).toBe(`${page}/4711/attempts/2`)
  expect(runPage({ ...common, GITHUB_RUN_ATTEMPT: '1' })).toBe(`${page}/4711`)
  expect(runPage(gitea)).toBe(`${page}/4711`)
  expect(runPage(forgejo)).toBe(`${page}/8`)
  expect(runPage({ ...common, GITHUB_RUN_ID: '' })).toBe('')
  expect(runPage({ ...common, GITHUB_SERVER_URL: undefined })).toMatch(/^https:\/\/github\.com\//)
})

test('the documents are linked where it is known on which server they are', () => {
  expect(docsBase(common)).toBe('https://git.example.org/org/homelab-deploy/blob/v1.2.3')
  expect(docsBase({ ...common, GITHUB_ACTION_REF: '' })).toMatch(/\/v1$/)
  // As for an action that is a folder of the repository.
  expect(docsBase({ ...common, GITHUB_ACTION_REPOSITORY: '' })).toBe('')
  expect([gitea, forgejo].map(docsBase)).toEqual(['', ''])
})
