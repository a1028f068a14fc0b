// One contestant, once, alone in this process: `child.ts <race> <contestant>`, the sample as JSON on standard output.
// With `--cpu-prof` before the file name it shows where the time goes.
import { benchOf } from "./benches.ts"
import { contestants } from "./Referee.ts"

const [raceName, who] = process.argv.slice(2)
const race = (await benchOf(raceName ?? ""))?.races(false).find(({ name }) => name === raceName)
const run = race === undefined ? undefined : contestants(race).find(([name]) => name === who)?.[1]
if (run === undefined) throw new Error(`no contestant ${who} in a race ${raceName}`)
process.stdout.write(JSON.stringify(await run()), () => {
  // Bottleneck and others keep timers.
  process.exit()
})
