import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { alone, Db, herd, serve, until } from "./support/control.ts"
import { missing, prometheus, promtool } from "./support/prometheus.ts"

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const dashboard: {
  readonly uid: string
  readonly panels: ReadonlyArray<{
    readonly id: number
    readonly title: string
    readonly targets?: ReadonlyArray<{ readonly expr: string }>
  }>
} = JSON.parse(readFileSync(file("../grafana/lemmings.json"), "utf8"))

const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
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
        assert.deepStrictEqual([checked.code, /8 rules found/.test(checked.said)], [0, true], checked.said)
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

  it.live.skipIf(missing)(
    "a real Prometheus answers every expression of the dashboard",
    () =>
      Effect.gen(function* () {
        const db = yield* herd(Db)
        yield* db.run(Effect.void)
        const { url } = yield* serve()
        const { query } = yield* prometheus(new URL(url).host)
        yield* until(() => Effect.map(query("lemmings_workers"), (found) => found.length > 0))
        const filled = (expression: string) =>
          expression.replaceAll(/\$(instance|herd)/g, ".*").replaceAll("$__rate_interval", "1m")
        for (const expression of expressions) yield* query(filled(expression))
        const now = yield* query(filled(expressions[0] ?? ""))
        assert.strictEqual(now[0]?.value[1], "4")
      }).pipe(alone),
    60_000
  )
})
