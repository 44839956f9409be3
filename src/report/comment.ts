import type { Api } from './github.ts'

/** GitHub takes 65,536 characters; there is one marker before them, and some room is left. */
export const commentLimit = 60_000

/** Pages of a hundred comments: in a discussion longer than this the comment is written anew. */
const pages = 20

interface Comment {
  readonly id: number
  readonly body?: string
  readonly user?: { readonly login?: string; readonly type?: string } | null
}

/** Invisible in the comment: by it the next run finds the comment that it replaces, and no other. */
export function markerOf(...parts: readonly string[]): string {
  const safe = parts.map((part) => encodeURIComponent(part.toWellFormed()).replace(/[-!'()*~]/g, escaped))
  return `<!-- homelab-deploy ${safe.join(' ')} -->`
}

const escaped = (sign: string): string => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`

/** One comment on a pull request, whatever the number of pushes: written once, then replaced. Says where it is. */
export async function putComment(api: Api, pull: number, marker: string, text: string): Promise<string> {
  const body = `${marker}\n${text}`
  const old = await findComment(api, pull, marker)
  if (old?.body?.replaceAll('\r\n', '\n').trimEnd() === body.trimEnd()) return 'unchanged'
  if (old !== undefined) {
    await api.ask('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { comment_id: old.id, body })
    return 'updated'
  }
  await api.ask('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number: pull, body })
  return 'written'
}

/** Anybody can write a marker: what a person wrote is never taken for ours, unless the token is of that very person. */
async function findComment(api: Api, pull: number, marker: string): Promise<Comment | undefined> {
  let me: string | undefined
  let first: number | undefined
  for (let page = 1; page <= pages; page++) {
    const comments = await api.ask<readonly Comment[]>('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      issue_number: pull,
      per_page: 100,
      page,
    })
    for (const comment of comments.filter(({ body }) => body?.startsWith(marker))) {
      if (comment.user?.type === 'Bot') return comment
      me ??= await whoAmI(api)
      if (me !== '' && comment.user?.login === me) return comment
    }
    // Gitea gives all of them at once, whatever page is asked for.
    if (comments.length !== 100 || comments[0]?.id === first) return undefined
    first = comments[0]?.id
  }
  return undefined
}

/** The token of a job is no user, and is told so by an error. */
async function whoAmI(api: Api): Promise<string> {
  return await api.ask<{ readonly login?: string }>('GET /user', {}).then(
    ({ login = '' }) => login,
    () => '',
  )
}
