import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Metric, Schedule, Scope } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"
import { fork, start } from "../promises/support.ts"

class Other extends Herd.Service<Other>()("test/Other") {}

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

/** The samples of the text format, by name and labels. */
const scrape = Effect.map(PrometheusMetrics.format(), (text) => {
  const samples = new Map<string, number>()
  for (const line of text.split("\n")) {
    const at = line.lastIndexOf(" ")
    if (line !== "" && !line.startsWith("#")) samples.set(line.slice(0, at), Number(line.slice(at + 1)))
  }
  return samples
})
const herd = `herd="lemmings/Lemmings"`

describe("Report.publish", () => {
  it.effect("names every metric in the house style, once, with help and type", () =>
    Effect.gen(function* () {
      yield* start()
      const text = yield* PrometheusMetrics.format()
      const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [
        name ?? "",
        type ?? ""
      ])
      const names = types.map(([name = ""]) => name)

      assert.deepStrictEqual(new Set(names).size, names.length)
      for (const [name = "", type] of types) {
        assert.match(name, /^lemmings_[a-z_]+$/)
        assert.strictEqual(type === "counter", name.endsWith("_total"), name)
        assert.strictEqual(type === "histogram", /^lemmings_task_.*_seconds$/.test(name), name)
        assert.include(text, `# HELP ${name} `)
      }
      for (const name of ["lemmings_workers", "lemmings_tasks_waiting", "lemmings_task_wait_seconds"])
        assert.include(names, name)
    }).pipe(isolated)
  )

  it.effect("reads the herd when it is scraped", () =>
    Effect.gen(function* () {
      const service = yield* start({ workers: { max: 2 }, queue: { capacity: 4 } })
      yield* service.run(Effect.void)
      yield* Effect.exit(service.run(Effect.fail("own"), { retry: Schedule.recurs(1) }))
      yield* fork(service.run(Effect.sleep(100), { timeout: 50 }))
      yield* fork(service.run(Effect.sleep(100)))
      const queued = yield* service.submit(Effect.void)

      const before = yield* scrape
      assert.strictEqual(before.get(`lemmings_workers{${herd},state="busy"}`), 2)
      assert.strictEqual(before.get(`lemmings_tasks_waiting{${herd}}`), 1)
      assert.strictEqual(before.get(`lemmings_queue_fill_ratio{${herd}}`), 0.25)
      assert.strictEqual(before.get(`lemmings_tasks_accepted_total{${herd}}`), 5)
      assert.strictEqual(before.get(`lemmings_tasks_retried_total{${herd}}`), 1)
      yield* queued.interrupt
      yield* TestClock.adjust(100)

      const after = yield* scrape
      assert.strictEqual(after.get(`lemmings_workers{${herd},state="idle"}`), 2)
      assert.strictEqual(after.get(`lemmings_tasks_waiting{${herd}}`), 0)
      assert.strictEqual(after.get(`lemmings_tasks_timed_out_total{${herd}}`), 1)
      const finished = (outcome: string) =>
        after.get(`lemmings_tasks_finished_total{${herd},outcome="${outcome}"}`)
      assert.deepStrictEqual(["succeeded", "failed", "interrupted", "shed"].map(finished), [2, 2, 1, 0])
    }).pipe(isolated)
  )

  it.effect("histogram buckets are monotone, in seconds, and end with the count", () =>
    Effect.gen(function* () {
      const service = yield* start({ workers: { max: 1 } })
      const millis = [1, 3, 10, 200, 5000, 200_000]
      yield* fork(service.runAll(millis.map((ms) => Effect.sleep(ms))))
      yield* TestClock.adjust("1 hour")

      const samples = yield* scrape
      const buckets = [...samples].flatMap(([name, value]) => {
        const le = /^lemmings_task_run_seconds_bucket\{.*le="([^"]+)"/.exec(name)?.[1]
        return le === undefined ? [] : [[le === "+Inf" ? Infinity : Number(le), value] as const]
      })
      const sum = millis.reduce((a, b) => a + b, 0) / 1000
      assert.isAbove(buckets.length, 15)
      for (const [i, [le, count]] of buckets.entries()) {
        const [lastLe, lastCount] = buckets[i - 1] ?? [0, 0]
        assert.isAbove(le, lastLe)
        assert.isAtLeast(count, lastCount)
        const [most, least] = [1.07, 1].map((slack) => millis.filter((ms) => ms / 1000 <= le * slack).length)
        assert.isAtLeast(count, least ?? 0, `le ${le}`)
        assert.isAtMost(count, most ?? 0, `le ${le}`)
      }
      assert.deepStrictEqual(buckets.at(-1), [Infinity, 6])
      assert.strictEqual(samples.get(`lemmings_task_run_seconds_count{${herd}}`), 6)
      assert.closeTo(samples.get(`lemmings_task_run_seconds_sum{${herd}}`) ?? 0, sum, 1e-6)
    }).pipe(isolated)
  )

  it.effect("two herds in one registry are told apart, and each goes with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* start({ workers: { max: 2 } })
      const other = Context.get(
        yield* Scope.provide(Layer.build(Other.layer({ scaling: "fixed", workers: { max: 3 } })), scope),
        Other
      )
      yield* other.run(Effect.void)

      const both = yield* scrape
      assert.strictEqual(both.get(`lemmings_workers_target{${herd}}`), 2)
      assert.strictEqual(both.get(`lemmings_workers_target{herd="test/Other"}`), 3)
      yield* Scope.close(scope, Exit.void)

      const one = yield* scrape
      assert.isTrue([...one.keys()].every((name) => name.includes(herd)))
      assert.isAbove(one.size, 20)
    }).pipe(isolated)
  )

  it.effect("nothing is left in the registry after the scope has closed", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(Effect.flatMap(start(), (service) => service.run(Effect.void)))
      assert.strictEqual((yield* scrape).size, 0)
    }).pipe(isolated)
  )

  it.effect("a herd publishes to the registry of its layer's context, not to another", () =>
    Effect.gen(function* () {
      yield* isolated(start())
      assert.strictEqual((yield* scrape).size, 0)
    }).pipe(isolated)
  )
})

describe("Report.stats and Report.metrics", () => {
  it.effect("stats shows the queue's depth, fill, urgency and the age of who is next", () =>
    Effect.gen(function* () {
      const service = yield* start({ workers: { max: 1 }, queue: { capacity: 10, ageing: "never" } })
      yield* service.pause
      yield* service.submit(Effect.void)
      yield* TestClock.adjust(30)
      yield* service.submit(Effect.void, { priority: "high" })
      yield* TestClock.adjust(12)

      const { paused, queue, since, utilization } = yield* service.stats
      assert.isTrue(paused)
      assert.deepStrictEqual(queue, {
        depth: 2,
        capacity: 10,
        fill: 0.2,
        nextMillis: 12,
        oldestMillis: 42,
        urgent: 1
      })
      assert.strictEqual(utilization, 0)
      assert.strictEqual(since, 0, "paused as it began")
      yield* service.resume
      assert.strictEqual((yield* service.stats).since, 42)
    })
  )

  it.effect("metrics gives rates and times over the window, and totals since the start", () =>
    Effect.gen(function* () {
      const service = yield* start({ workers: { max: 1 }, window: "10 seconds" })
      yield* fork(
        service.runAll([Effect.sleep(1000), Effect.sleep(1000), Effect.fail("bad")], { mode: "settle" })
      )
      yield* TestClock.adjust("5 seconds")

      const { arrivalRate, endedRate, failureRate, run, successRate, totals, wait, windowMillis, ...rates } =
        yield* service.metrics
      assert.closeTo(rates.succeededRate, 2 / 5, 1e-9)
      assert.closeTo(rates.failedRate, 1 / 5, 1e-9)
      assert.strictEqual(windowMillis, 5000, "the herd is younger than its window")
      assert.closeTo(arrivalRate, 3 / 5, 1e-9)
      assert.closeTo(endedRate, 3 / 5, 1e-9)
      assert.closeTo(successRate, 2 / 3, 1e-9)
      assert.closeTo(failureRate, 1 / 3, 1e-9)
      assert.deepStrictEqual([run.count, run.max, run.min], [3, 1000, 0])
      assert.deepStrictEqual([wait.count, wait.max, wait.min], [3, 2000, 0])
      assert.deepStrictEqual(totals, { succeeded: 2, failed: 1, retried: 0 })
    })
  )
})
