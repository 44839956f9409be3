import { failure, foldTitle } from './failure.ts'
import { code, details, fence, plain, prose } from './markdown.ts'
import { planSections } from './plan-section.ts'
import { goodResults, type NoteRecord, type Report, type Result } from './report.ts'
import { changes, commits, facts, health, machines, steps } from './sections.ts'
import { statusSections } from './status-section.ts'
import { bytes, tail } from './text.ts'
import { verdict } from './verdict.ts'
import { versions } from './versions.ts'
import { wayBack } from './way-back.ts'

export interface SummaryOptions {
  /** Where docs/errors.md of this version is: `https://github.com/OWNER/homelab-deploy/blob/v1`. Empty: no links. */
  readonly docsBase?: string
  /** GitHub drops a summary over 1 MiB as a whole, and a comment over 65,536 characters. */
  readonly maxBytes?: number
}

/** The page of one run, in GitHub Flavored Markdown. It stands alone: a matrix shows many of them in any order. */
export function renderSummary(report: Report, options: SummaryOptions = {}): string {
  const docsBase = options.docsBase ?? ''
  const maxBytes = options.maxBytes ?? 900 * 1_024
  // Logs are all that can grow, so they give way until the page fits.
  for (let room = 128 * 1_024; room >= 1_024; room /= 2) {
    const page = render(report, docsBase, room)
    if (bytes(page) <= maxBytes) return page
  }
  return `${join([heading(report), opening(report), 'The details did not fit here: see the log of the step.'])}\n`
}

function render(report: Report, docsBase: string, room: number): string {
  // Where even short logs do not fit, lists give way as well: of many hosts, or for a comment.
  const rows = room < 16 * 1_024 ? 6 : 60
  return `${join([
    heading(report),
    opening(report),
    // A plan tells of each thing in the way by itself.
    report.plan ? '' : failure(report.failure, 'What failed', docsBase, room),
    failure(report.rollbackFailure, 'What failed while it was being undone', docsBase, room),
    // What runs is told by a status with more words.
    report.status ? '' : versions(report),
    machines(report),
    ...planSections(report, docsBase, rows),
    health(report),
    ...statusSections(report, rows),
    facts(report),
    warnings(report.warnings),
    ...report.notes.slice(0, 4).map((each) => note(each, room)),
    commits(report.commits, report),
    changes(report.changes),
    steps(report),
    wayBack(report),
  ])}\n`
}

const marks: Readonly<Record<Result, string>> = {
  deployed: '✅',
  unchanged: '✅',
  planned: '📋',
  healthy: '✅',
  unhealthy: '❌',
  'rolled-back': '↩️',
  failed: '❌',
  'rollback-failed': '🛑',
  unknown: '❔',
}

function heading(report: Report): string {
  const [host, ...others] = report.hosts
  const where = host === undefined ? '' : `${code(host, 120)}${others.length > 0 ? ` +${others.length}` : ''}`
  const parts = [plain(report.name, 100), plain(report.environment, 100), where].filter((part) => part !== '')
  return `### ${marks[report.result]} ${parts.join(' · ') || 'homelab-deploy'}`
}

/** The verdict. A good one needs no frame; a bad one gets GitHub's own, as strong as the matter is grave. */
function opening(report: Report): string {
  const sentence = prose(verdict(report))
  if (report.result === 'planned') return `> [!NOTE]\n> ${sentence}`
  if (goodResults.has(report.result)) return sentence
  const grave = report.result === 'rollback-failed' || (report.result === 'failed' && report.changed)
  return `> [!${grave ? 'CAUTION' : 'WARNING'}]\n> ${sentence}`
}

function warnings(all: readonly string[]): string {
  if (all.length === 0) return ''
  const shown = all.slice(0, 20).map((each) => `- ${prose(each, 600)}`)
  const rest = all.length > shown.length ? [`- … and ${all.length - shown.length} more, in the log`] : []
  return ['**Worth a look**', '', ...shown, ...rest].join('\n')
}

function note(found: NoteRecord, room: number): string {
  const shown = tail(found.text, room)
  return shown.text === '' ? '' : details(foldTitle(plain(found.title, 120), shown.dropped), fence(shown.text))
}

function join(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n')
}
