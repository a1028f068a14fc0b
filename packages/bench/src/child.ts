// One contestant, once, alone in this process: `child.ts <race> <contestant> <size>`, what it measured as JSON on standard output.
// With `--cpu-prof` before the file name it shows where the time goes.
import { benchOf } from "./benches.ts"
import { takeAccount } from "./measure.ts"
import type { Size } from "./Race.ts"
import { contestants, type Run } from "./Referee.ts"

const [raceName, who, size = "usual"] = process.argv.slice(2)
const race = (await benchOf(raceName ?? ""))?.races(size as Size).find(({ name }) => name === raceName)
const contestant = race === undefined ? undefined : contestants(race).find(([name]) => name === who)?.[1]
if (contestant === undefined) throw new Error(`no contestant ${who} in a race ${raceName}`)
const run: Run = { sample: await contestant(), account: takeAccount() }
process.stdout.write(JSON.stringify(run), () => {
  // Bottleneck and others keep timers.
  process.exit()
})
