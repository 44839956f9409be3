import { run } from './command.ts'
import { ensureImage } from './image.ts'

/** The newest that the Go of this machine builds; the action downloads a release of Tailscale's own. */
export const tailscaleVersion = '1.102.5'
const headscaleVersion = '0.29.2'

const build = `cd "$1"
export GOFLAGS=-buildvcs=false
GOBIN="$1" go install tailscale.com/cmd/tailscale@v${tailscaleVersion} tailscale.com/cmd/tailscaled@v${tailscaleVersion}
# Not by "go install": its go.mod holds lines that only a main module may have.
mkdir module && cd module
printf 'module lab\\ngo 1.26\\nrequire github.com/juanfont/headscale v${headscaleVersion}\\n' > go.mod
go build -mod=mod -o "$1/headscale" github.com/juanfont/headscale/cmd/headscale
cd "$1" && rm -r module
`

/** The real programs, built from source once: a folder with tailscale, tailscaled and headscale. */
export async function tailnetPrograms(): Promise<string> {
  return await ensureImage('tailnet', [build], 'about eight minutes, with Go', async (root) => {
    await run(['sh', '-euc', build, 'sh', root])
  })
}

// `node scripts/run.mjs tailnet` builds them in good time: in the lab itself there is no internet.
if (import.meta.main) console.log(await tailnetPrograms())
