import { failure, foldTitle } from './failure.ts'
import { code, evidence, plain, prose } from './markdown.ts'
import { planDetails, planFacts, planObstacles } from './plan-section.ts'
import { goodResults, type NoteRecord, type Report, type Result } from './report.ts'
import { changes, commits, facts, health, machines, steps } from './sections.ts'
import { statusDetails, statusFacts } from './status-section.ts'
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
    failure(report.rollbackFailure, 'What failed while it was being undone', docsBase, room, true),
    // A plan tells of each thing in the way by itself.
    ...planObstacles(report, docsBase),
    report.plan
      ? ''
      : failure(report.failure, report.rollbackFailure ? 'What failed before that' : 'What failed', docsBase, room),
    ...report.notes.slice(0, 4).map((each) => note(each, room)),
    // What runs is told by a status with more words.
    report.status ? '' : versions(report),
    machines(report),
    ...planFacts(report, rows),
    health(report),
    ...statusFacts(report, rows),
    facts(report),
    warnings(report.warnings),
    ...planDetails(report, rows),
    ...statusDetails(report, rows),
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
  unknown: '❓',
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
  return shown.text === '' ? '' : evidence(foldTitle(plain(found.title, 120), shown.dropped), shown.text)
}

/** Two lists that meet become one: a blank line between them would set all of their items apart. */
function join(parts: readonly string[]): string {
  const isItem = (line = '') => line.startsWith('- ')
  return parts
    .filter((part) => part !== '')
    .reduce((page, part) => {
      const meet = isItem(part) && isItem(page.slice(page.lastIndexOf('\n') + 1))
      return page === '' ? part : `${page}${meet ? '\n' : '\n\n'}${part}`
    }, '')
}
