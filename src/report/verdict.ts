import { humanDuration } from '../clock.ts'
import { goodResults, type PlanRecord, type ReleaseRef, type Report } from './report.ts'
import { count } from './text.ts'

/** How a version is called in a sentence: the short commit, else the release. */
export function shortVersion(release: ReleaseRef | undefined): string {
  if (release === undefined) return ''
  return /^[0-9a-f]{8,}$/i.test(release.revision) ? release.revision.slice(0, 7) : release.revision || release.id
}

/** The whole run in one or two plain sentences; what stands between backticks is a name. */
export function verdict(report: Report): string {
  const tried = named(report.after, 'the new version')
  const old = named(report.before, 'the previous version')
  switch (report.result) {
    case 'deployed':
      if (report.mode === 'upload-keys') return 'The keys are on the host.'
      return `${report.mode === 'rollback' ? 'Went back to' : 'Deployed'} ${tried} in ${humanDuration(report.durationMs)}: ${healthOf(report)}.`
    case 'unchanged':
      return `Nothing to do: ${named(report.after ?? report.before, 'this version')} already serves.`
    case 'planned':
      return `A deploy of ${tried} would ${wouldDo(report)}. Nothing was changed.`
    case 'healthy':
      return `${capital(named(report.after ?? report.before, 'what runs'))} serves: ${healthOf(report)}.${driftOf(report)}`
    case 'unhealthy':
      return `${capital(named(report.after ?? report.before, 'what runs'))} ${illness(report)}.${driftOf(report)}`
    case 'rolled-back':
      if (report.before === undefined)
        return `${deed(report)} ${end(report)} and was undone. What was there before is back.`
      return `${deed(report)} ${end(report)}. The old version ${old} serves again.`
    case 'rollback-failed':
      return `${deed(report)} ${end(report)}, and putting ${old} back failed too. The host needs a person now.`
    case 'unknown':
      return `The connection was lost, and nobody can say yet whether ${tried} serves. Unless it was confirmed, the host goes back to ${old} by itself; the next run asks it first.`
    case 'failed':
      return failed(report, old)
  }
}

function failed(report: Report, old: string): string {
  if (report.plan?.some(({ obstacles }) => obstacles.length > 0))
    return `A deploy of ${named(report.after, 'this version')} would be stopped: ${count(
      report.plan.reduce((sum, { obstacles }) => sum + obstacles.length, 0),
      'thing',
    )} in the way. Nothing was changed.`
  if (report.mode === 'status' || report.mode === 'plan') return `${deed(report)} ${end(report)}. Nothing was changed.`
  if (report.changed) return `${deed(report)} ${end(report)} and was not undone. Look at the host.`
  return `${deed(report)} ${end(report)} before anything changed.${report.before ? ` ${capital(old)} still serves.` : ''}`
}

function deed(report: Report): string {
  const version = report.after ? ` \`${shortVersion(report.after)}\`` : ''
  if (report.mode === 'rollback') return `The rollback${version && ` to${version}`}`
  if (report.mode === 'plan') return `The plan${version && ` for${version}`}`
  if (report.mode === 'status') return 'The look at the host'
  if (report.mode === 'upload-keys') return 'The upload of the keys'
  return `The deploy${version && ` of${version}`}`
}

function end(report: Report): string {
  return report.failure?.code === 'HD-CANCEL-01' ? 'was cancelled' : 'failed'
}

function healthOf(report: Report): string {
  const ill = report.health.filter((check) => !check.healthy).length
  if (report.health.length === 0) return goodResults.has(report.result) ? 'no health check was made' : 'see below'
  if (ill === 1 && report.health.length === 1) return 'its health check fails'
  if (ill > 0) return `${ill} of ${report.health.length} health checks ${ill === 1 ? 'fails' : 'fail'}`
  return report.health.length === 1 ? 'its health check passes' : `all ${report.health.length} health checks pass`
}

/** In numbers, of all hosts together; what they are stands below. */
function wouldDo({ plan = [] }: Report): string {
  if (plan.length > 0 && plan.every(({ unchanged }) => unchanged)) return 'find nothing to do'
  const sum = (number: (plan: PlanRecord) => number) => plan.reduce((total, each) => total + number(each), 0)
  const files = sum(({ changes }) => (changes ? Object.values(changes.counts).reduce((a, b) => a + b, 0) : 0))
  const variables = sum(({ env }) => env.added.length + env.removed.length)
  const parts = [
    files > 0 ? count(files, 'file') : '',
    variables > 0 ? `${count(variables, 'variable')} of the env file` : '',
    ...[sum(({ does }) => does.length)].map((others) => (others > 0 ? `${count(others, 'thing')} besides` : '')),
  ].filter(Boolean)
  const last = parts.pop()
  if (last === undefined) return 'put it in the place of what runs'
  const where = plan.length > 1 ? ` on ${plan.length} hosts` : ''
  return `change ${parts.length > 0 ? `${parts.join(', ')} and ` : ''}${last}${where}`
}

function illness(report: Report): string {
  const well = report.health.every(({ healthy }) => healthy)
  return well && driftOf(report) !== '' ? 'is not what was deployed' : `is not healthy: ${healthOf(report)}`
}

function driftOf({ status = [] }: Report): string {
  const differs = status.reduce((sum, { drift }) => sum + drift.length, 0)
  return differs === 0
    ? ''
    : ` ${count(differs, 'thing')} ${differs === 1 ? 'differs' : 'differ'} from what was deployed.`
}

function named(release: ReleaseRef | undefined, otherwise: string): string {
  const version = shortVersion(release)
  return version === '' ? otherwise : `\`${version}\``
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
