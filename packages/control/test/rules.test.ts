import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { conditions } from "../src/conditions/Watch.ts"
import { dashboard, expressions } from "./support/grafana.ts"
import { missing, promtool } from "./support/prometheus.ts"

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const documented = readFileSync(file("../../../docs/telemetry.md"), "utf8")
const known = (text: string) =>
  [...text.matchAll(/\b(lemmings|process|nodejs)_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, "")
  )

describe("what the package carries for Prometheus and Grafana", () => {
  it.live.skipIf(missing)(
    "promtool accepts the alerts, and each fires when it should and not otherwise",
    () =>
      Effect.gen(function* () {
        const checked = yield* promtool(["check", "rules", file("../prometheus/alerts.yml")])
        assert.deepStrictEqual(
          [checked.code, checked.said.includes(`${conditions.length} rules found`)],
          [0, true],
          checked.said
        )
        const tested = yield* promtool(["test", "rules", file("../prometheus/alerts.test.yml")])
        assert.strictEqual(tested.code, 0, tested.said)
      })
  )

  it("alerts and dashboard know only metrics that are documented", () => {
    const names = [
      ...known(expressions.join("\n")),
      ...known(readFileSync(file("../prometheus/alerts.yml"), "utf8"))
    ]
    assert.isAbove(names.length, 40)
    for (const name of new Set(names)) assert.include(documented, `\`${name}\``, name)
    const ids = dashboard.panels.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    assert.strictEqual(dashboard.uid, "lemmings")
  })
})
