import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Armed } from '../helpers/armed.ts'
import { shells } from '../helpers/local-host.ts'

/**
 * What a power cut may find: the order in which things reach the disk. That the disk then holds them is the promise of
 * `sync`, which no test here can see broken; so this is about when it is called, and for what.
 */
const watched = `sync() {
  seen=; for name in work/settle.sh work/restore.sh work/a work/open pending.json.new pending.json; do [ ! -e "$state/$name" ] || seen="$seen $name"; done
  printf '%s:%s\\n' "$*" "$seen $(cat "$live/a")" >>"$live/../syncs"
  command sync "$@"
}
`

describe.concurrent.each(shells())('$name', (shell) => {
  it('has all that the way back needs on the disk before the record, and that before the change', async () => {
    await using site = await Armed.create(shell)
    const { code, tail } = await site.host.run(`${watched}${site.script()}`)
    expect([code, tail]).toEqual([0, ''])
    await site.reached('wait')
    const all = 'work/settle.sh work/restore.sh work/a work/open'
    expect(readFileSync(join(site.root, 'syncs'), 'utf8').split('\n')).toEqual([
      `-f ${site.work}: ${all} old`,
      `${site.state}/pending.json.new: ${all} pending.json.new old`,
      `${site.state}: ${all} pending.json old`,
      '',
    ])
    await site.decide('refused')
    expect(await site.verdict()).toBe('rolled-back refused')
  })
})
