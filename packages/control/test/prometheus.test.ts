import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { ResourcePool } from "lemmings"
import { readFileSync } from "node:fs"
import { Prometheus } from "../src/index.ts"
import { alone, Db, herd, Mail, serve, until } from "./support/control.ts"
import { expressions } from "./support/grafana.ts"
import { missing, prometheus, promtool } from "./support/prometheus.ts"

/** The names that the page tables, by kind. Those of jobs are tested where jobs are. */
const documented = new Map(
  [
    ...readFileSync(new URL("../../../docs/telemetry.md", import.meta.url), "utf8").matchAll(
      /^\| `((?!lemmings_jobs_)\w+)`\s+\| (gauge|counter|histogram)\b/gm
    )
  ].map(([, name = "", kind = ""]) => [name, kind])
)

/** Herds that have done some of everything, in a registry of metrics of their own. */
const busy = Effect.gen(function* () {
  const db = yield* herd(Db)
  yield* herd(Mail)
  for (let n = 0; n < 20; n++) yield* db.run(Effect.sleep("5 millis"))
  for (let n = 0; n < 3; n++) yield* Effect.exit(db.run(Effect.fail("own")))
  const pool = yield* ResourcePool.make("files", { onCreate: Effect.succeed("handle"), size: 2 })
  yield* pool.use(() => Effect.sleep("2 millis"))
  return db
})

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map())).pipe(alone)

describe("GET /metrics", () => {
  it.live("has every series of the documentation, of its kind, and no other of ours", () =>
    Effect.gen(function* () {
      yield* busy
      const { ask } = yield* serve()
      const { headers, text } = yield* ask("GET", "/metrics")
      assert.strictEqual(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
      const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [
        name,
        kind
      ])
      const ours = types.filter(([name = ""]) => !name.startsWith("db_client_"))
      assert.deepStrictEqual(new Map(ours as Array<[string, string]>), documented)
      assert.isAbove(documented.size, 30)
      assert.include(text, `lemmings_tasks_finished_total{herd="app/Db",outcome="failed"} 3`)
      assert.include(text, `db_client_connection_timeouts_total{db_client_connection_pool_name="files"} 0`)
      for (const [name] of types) assert.include(text, `# HELP ${name} `)
    }).pipe(isolated)
  )

  it.live("names that need escaping arrive as they are", () =>
    Effect.gen(function* () {
      const odd = `a"b\\c\nd`
      yield* Metric.update(Metric.gauge("app_odd", { description: "x\ny", attributes: { odd } }), 1)
      const text = yield* Prometheus.format
      assert.include(text, `app_odd{odd="a\\"b\\\\c\\nd"} 1`)
      assert.include(text, "# HELP app_odd x\\ny\n")
    }).pipe(isolated)
  )

  it.live.skipIf(missing)("promtool has nothing to say about it", () =>
    Effect.gen(function* () {
      yield* busy
      const { ask } = yield* serve()
      const { text } = yield* ask("GET", "/metrics")
      assert.deepStrictEqual(yield* promtool(["check", "metrics"], text), { code: 0, said: "" })
      const broken = yield* promtool(["check", "metrics"], text.replace("# HELP lemmings_workers ", "# "))
      assert.notStrictEqual(broken.code, 0)
    }).pipe(isolated)
  )

  it.live.skipIf(missing)(
    "a real Prometheus scrapes it and answers for each series, and for every expression of the dashboard",
    () =>
      Effect.gen(function* () {
        const db = yield* busy
        const { url } = yield* serve()
        const rules = new URL("../prometheus/alerts.yml", import.meta.url).pathname
        const { query } = yield* prometheus(new URL(url).host, rules)
        yield* until(() => Effect.map(query("up == 1"), (found) => found.length === 1))
        yield* until(() => Effect.map(query("lemmings_workers"), (found) => found.length > 0))
        for (const [name, kind] of documented) {
          const found = yield* query(kind === "histogram" ? `${name}_count` : name)
          assert.isAbove(found.length, 0, name)
          if (name.startsWith("lemmings_")) assert.isDefined(found[0]?.metric["herd"], name)
        }
        const value = (expression: string) =>
          Effect.map(query(expression), (found) => Number(found[0]?.value[1]))
        assert.strictEqual(yield* value(`lemmings_workers_max{herd="app/Db"}`), 4)
        assert.strictEqual(
          yield* value(`sum(lemmings_tasks_finished_total{herd="app/Db"})`),
          (yield* db.stats).tasks.submitted
        )
        const median = yield* value(
          `histogram_quantile(0.5, sum by (le) (lemmings_task_run_seconds_bucket{herd="app/Db"}))`
        )
        assert.isAbove(median, 0.002)
        assert.isBelow(median, 1)
        assert.isAbove(yield* value("process_resident_memory_bytes"), 1e7)
        assert.isAbove(yield* value("time() - process_start_time_seconds"), 0)
        const filled = (expression: string) =>
          expression
            .replaceAll("$instance", ".*")
            .replaceAll("$herd", "app/Db")
            .replaceAll("$__rate_interval", "1m")
        assert.isAbove(expressions.length, 10)
        for (const expression of expressions) yield* query(filled(expression))
        assert.strictEqual(yield* value(filled(expressions[0] ?? "")), 4)
      }).pipe(isolated),
    60_000
  )
})
