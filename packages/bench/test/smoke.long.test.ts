import { assert, describe, it } from "@effect/vitest"
import { allBenches } from "../src/benches.ts"
import { contestants } from "../src/Referee.ts"
import { bench, decode } from "./support/bench.ts"

const benches = await allBenches()

describe("bench", () => {
  it.each(benches.map((one) => one.name))(
    "%s prints one object with every case and contestant",
    async (name) => {
      const { code, stderr, stdout } = await bench(name, "--quick", "--json")
      assert.strictEqual(code, 0, stderr)
      const report = decode(stdout)
      const expected = benches.filter((one) => one.name === name).flatMap((one) => one.races("quick"))
      const units = expected.flatMap((race) => Object.entries(race.units).map((unit) => ({ race, unit })))
      assert.deepStrictEqual(
        report.cases.map((one) => [one.case, one.unit, ["ours", ...Object.keys(one.peers)]]),
        units.map(({ race, unit: [suffix, unit] }) => [
          suffix === "" ? race.name : `${race.name}/${suffix}`,
          unit,
          contestants(race).map(([who]) => who)
        ])
      )
      assert.include(Object.keys(report.versions), "p-queue")
    }
  )
})
