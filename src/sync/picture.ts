import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '../remote/host.ts'
import { runTool } from '../runner/exec.ts'
import { quote, sh } from '../shell.ts'
import { type Difference, transferFailed } from './compare.ts'
import type { Commit } from './git.ts'
import { type Source, sendByTar } from './index.ts'
import { type Entry, scanSource } from './manifest.ts'
import { excludedBy, type Filters, type Places, protectedBy } from './script.ts'

/** The files of the source as a folder of the runner has them: those of a commit are written out for it. */
export async function filesOf(
  source: Source,
  filters: Filters,
  temp: string,
): Promise<{ readonly root: string; readonly entries: readonly Entry[] }> {
  if (source.method === 'tree') return source
  const root = await checkOut(source.commit, temp)
  return { root, entries: await scanSource(root, excludedBy(filters)) }
}

/** With an index of its own: that of the checkout is not touched. */
const writeOut = sh`
git() { command git -c safe.directory='*' -c core.autocrlf=false "$@"; }
GIT_DIR=$(git -C "$2" rev-parse --absolute-git-dir) GIT_WORK_TREE=$1/tree GIT_INDEX_FILE=$1/index
export GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
umask 022; mkdir "$1/tree"; cd "$1/tree"
git read-tree "$3"; git checkout-index -a -f
`

async function checkOut({ top, prefix, sha }: Commit, temp: string): Promise<string> {
  const folder = await mkdtemp(join(temp, 'commit-'))
  const tree = `${sha}:${prefix.replace(/\/$/, '')}`
  const { code, stderr } = await runTool('/bin/sh', ['-ec', writeOut, 'sh', folder, top, tree])
  if (code !== 0) throw new Error(`git could not write out ${tree}: ${stderr}`)
  return join(folder, 'tree')
}

/** Larger files say nothing of how a program is to be run; but those that the strategy is known by are sent. */
const small = 256 * 1024
const most = 8 * 1024 * 1024

/** Of what the host lacks, what is worth a look before a deploy. */
export function worthALook(
  entries: readonly Entry[],
  { need, added }: Difference,
  filters: Filters,
  markers: readonly string[],
): { readonly sent: readonly Entry[]; readonly left: number } {
  const guarded = protectedBy(filters)
  const fresh = new Set(added)
  // A file that is protected stays as the host has it, if it has one.
  const lacking = need
    .flatMap((line) => entries[line - 1] ?? [])
    .filter(({ name, type }) => type !== 'd' && (!guarded.match(name) || fresh.has(name)) && !/[\n\\]/.test(name))
  const sorted = lacking.toSorted((a, b) => a.size - b.size)
  let room = most
  const sent = sorted.filter(({ name, size }) => {
    if (!markers.includes(name) && (size > small || size > room)) return false
    room -= size
    return true
  })
  return { sent, left: lacking.length - sent.length }
}

/** Sends them into the picture, which is empty so far: there is no link yet that could lead into the live tree. */
export async function sendForALook(
  host: Host,
  places: Places,
  root: string,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<void> {
  const tree = quote(`${places.release}/tree`)
  const made = await host.run(`mkdir -p ${tree}`, { label: 'Preparing a picture', quiet: true })
  if (made.code !== 0) throw transferFailed(host, 'The host could not prepare a picture of the new tree.', made.tail)
  if (entries.length === 0) return
  const pipe = await host.pipe(`IFS= read -r z && exec tar -xpo"$z"f - -C ${tree}`)
  await sendByTar(host, pipe, root, entries, { signal, onProgress: () => {} })
}

/**
 * Shell: makes what was sent a picture of the whole tree, by links to what stays as it is. Wants the lists of the
 * comparison in `$work`. Nothing goes through a link: what the picture has of its own is made first, and after that
 * only links are added, in folders of its own.
 */
export const drawPicture = sh`
(cd -- "$work" && cat put del | sed -n 's/^ //p' >different
  awk '{ for (up = $0; sub(/\/[^\/]*$/, "", up); ) if (!(up in seen)) { seen[up]; print up } }' different >folders
  cat different folders >skip)
while IFS= read -r d; do mkdir -p -- "$tree/$d" 2>/dev/null || :; done <"$work/folders"
# What was edited at $path, and is as the release before had it.
[ -z "$prev" ] || sed -n 's/^ //p' "$work/put" | while IFS= read -r f; do
  [ -e "$tree/$f" ] || [ -L "$tree/$f" ] || [ ! -f "$prev/tree/$f" ] || ln -s -- "$prev/tree/$f" "$tree/$f"
done
[ ! -d "$path" ] || (cd -- "$tree" && find . -type d) | sed 's|^\./||' >"$work/real"
[ ! -d "$path" ] || while IFS= read -r d; do
  [ -d "$path/$d" ] || continue
  hd_from=$path/$d; case $d in .) hd_from=$path; hd_in= ;; *) hd_in=$d/ ;; esac; export hd_from hd_in
  (cd -- "$hd_from" && find . ! -name . -prune ! -name "*$hd_nl*" -print) | sed 's|^\./||' |
    hd_skip=$work/skip awk 'BEGIN { while ((getline line < ENVIRON["hd_skip"]) > 0) skip[line] } !((ENVIRON["hd_in"] $0) in skip) { print ENVIRON["hd_from"] "/" $0 }' |
    tr '\n' '\0' | (cd -- "$tree/$d" && xargs -0 -r sh -c 'ln -s -- "$@" . 2>/dev/null || :' sh)
done <"$work/real"
`
