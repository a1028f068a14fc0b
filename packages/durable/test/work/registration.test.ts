import { assert, describe, it } from "@effect/vitest"
import { directory } from "@lemmings/suite/embedded"
import { Effect, Exit, Layer, Metric, Schedule, Schema, Scope } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { QueueRegistry } from "lemmings"
import { readFileSync } from "node:fs"
import * as Job from "../../src/Job.ts"
import { JobStoreError } from "../../src/port/JobError.ts"
import { JobStore } from "../../src/port/JobStore.ts"
import * as Jobs from "../../src/Jobs.ts"

class Bounced extends Schema.TaggedError<Bounced>()("Bounced", { to: Schema.String }) {}

const Mail = Job.make("app/Mail", {
  payload: { to: Schema.String },
  error: Bounced,
  attempts: 2,
  retry: Schedule.spaced("1 millis")
})

/** Queues and metrics of the test's own. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() =>
    effect.pipe(
      Effect.provideService(QueueRegistry.QueueRegistry, QueueRegistry.make()),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

const names = Effect.map(QueueRegistry.QueueRegistry, ({ queues }) => [...queues().keys()])
const mail = Effect.map(QueueRegistry.QueueRegistry, ({ queues }) => queues().get("app/Mail")!)

/** A worker whose handler fails as long as the state says so. */
const bouncing = (state: { broken: boolean }) =>
  Mail.toLayer(({ to }) => (state.broken ? Effect.fail(new Bounced({ to })) : Effect.void), {
    pollInterval: "20 millis"
  }).pipe(Layer.provideMerge(Jobs.layerMemory()))

const lineOf = (text: string) => (name: string, labels: ReadonlyArray<string>) => {
  const found = text
    .split("\n")
    .find((one) => one.startsWith(`${name}{`) && labels.every((label) => one.includes(label)))
  return Number(found?.split(" ").at(-1))
}

// Workers are fibers that take real milliseconds.
describe("the queues of a process", () => {
  it.live("are shown, and not ready, from the first try on, where the store is away", () =>
    Effect.gen(function* () {
      const gone = new JobStoreError({ operation: "declare", reason: "unavailable", cause: "gone" })
      const away = Layer.effect(
        JobStore,
        Effect.map(JobStore, (store) => ({
          ...store,
          declare: () => Effect.fail(gone),
          readiness: Effect.succeed({ ready: false, since: 0, reason: "gone" })
        }))
      ).pipe(Layer.provide(Jobs.layerMemory()))
      const context = yield* Layer.build(Layer.provide(Layer.fresh(Jobs.layer), away))
      const tried = yield* Effect.exit(Jobs.enqueue(Mail({ to: "a@" }))).pipe(Effect.provide(context))
      assert.isTrue(Exit.isFailure(tried))
      const queue = yield* mail
      assert.isFalse((yield* queue.readiness).ready)
      assert.strictEqual((yield* Effect.flip(queue.stats))._tag, "QueueUnavailable")
      const line = lineOf(yield* PrometheusMetrics.format())
      assert.strictEqual(line("lemmings_jobs_store_ready", []), 0)
    }).pipe(alone)
  )

  it.live("are there once, whoever uses them, and as long as their layers are", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(bouncing({ broken: false }), scope)
      assert.deepStrictEqual(yield* names, ["app/Mail"])
      yield* Jobs.execute(Mail({ to: "a@" })).pipe(Effect.provide(context))
      assert.deepStrictEqual(yield* names, ["app/Mail"])
      const other = yield* Scope.make()
      const elsewhere = yield* Layer.buildWithScope(Layer.fresh(Jobs.layerMemory()), other)
      yield* Jobs.enqueue(Mail({ to: "b@" })).pipe(Effect.provide(elsewhere))
      assert.deepStrictEqual(yield* names, ["app/Mail", "app/Mail#2"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* names, ["app/Mail#2"])
      yield* Scope.close(other, Exit.void)
      assert.deepStrictEqual(yield* names, [])
    }).pipe(alone)
  )

  it.live("show what died, replay it, and cancel what waits", () =>
    Effect.gen(function* () {
      const state = { broken: true }
      const context = yield* Layer.build(bouncing(state))
      yield* Effect.exit(Jobs.execute(Mail({ to: "a@" }))).pipe(Effect.provide(context))
      const queue = yield* mail
      assert.strictEqual(queue.store, "memory")
      assert.isTrue((yield* queue.readiness).ready)
      assert.deepInclude(yield* queue.stats, { deadLetters: 1, waiting: 0, running: 0, paused: false })
      const [letter, ...others] = yield* queue.deadLetters.list({ limit: 10 })
      assert.strictEqual(others.length, 0)
      assert.deepInclude(letter, { reason: "failed", attempts: 2, payload: { to: "a@" } })
      assert.deepInclude(yield* queue.job(letter!.jobId), { state: "failed", attempts: 2 })

      state.broken = false
      assert.strictEqual(yield* queue.deadLetters.replay({ ids: [letter!.id] }), 1)
      const { lastMinute } = yield* queue.stats.pipe(
        Effect.delay("10 millis"),
        Effect.repeat({ until: (stats) => stats.lastMinute.completed === 1 }),
        Effect.timeout("10 seconds")
      )
      assert.deepInclude(lastMinute, { completed: 1, failed: 1 })
      assert.strictEqual((yield* queue.stats).deadLetters, 0)

      yield* queue.pause
      const id = yield* Jobs.enqueue(Mail({ to: "b@" })).pipe(Effect.provide(context))
      assert.deepInclude(yield* queue.stats, { paused: true, waiting: 1 })
      assert.isTrue(yield* queue.cancel(id))
      assert.isFalse(yield* queue.cancel(id))
      assert.strictEqual((yield* queue.job(id))?.state, "cancelled")
      yield* queue.resume
      assert.isFalse((yield* queue.stats).paused)
    }).pipe(alone)
  )

  it.live(
    "have nothing under what is no id, also where a database would refuse it",
    () =>
      Effect.gen(function* () {
        const context = yield* Layer.build(Jobs.layerEmbedded({ directory: yield* directory }))
        const id = yield* Jobs.enqueue(Mail({ to: "a@" })).pipe(Effect.provide(context))
        const queue = yield* mail
        assert.isUndefined(yield* queue.job("nothing"))
        assert.isFalse(yield* queue.cancel("nothing"))
        assert.deepStrictEqual(yield* queue.deadLetters.list({ limit: 1, after: "nothing" }), [])
        assert.deepStrictEqual(yield* queue.deadLetters.list({ limit: 1, ids: ["nothing"] }), [])
        assert.strictEqual(yield* queue.deadLetters.replay({ ids: ["nothing"] }), 0)
        assert.strictEqual(yield* queue.deadLetters.purge({ ids: ["nothing"] }), 0)
        assert.strictEqual((yield* queue.job(id))?.state, "waiting")
      }).pipe(alone),
    60_000
  )

  it.live("have the metrics of the documentation, of their kinds, and no other", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(bouncing({ broken: true }))
      yield* Effect.exit(Jobs.execute(Mail({ to: "a@" }))).pipe(Effect.provide(context))
      // Read before, as the control API does for a scrape.
      yield* Effect.flatMap(mail, ({ stats }) => stats)
      const text = yield* PrometheusMetrics.format()
      const page = readFileSync(new URL("../../../../docs/telemetry.md", import.meta.url), "utf8")
      const documented = [...page.matchAll(/^\| `(lemmings_jobs_\w+)`\s+\| (gauge|counter)\b/gm)]
      assert.sameDeepMembers(
        [...text.matchAll(/^# TYPE (lemmings_jobs_\S+) (\S+)$/gm)].map(([, name, kind]) => [name, kind]),
        documented.map(([, name, kind]) => [name, kind])
      )
      const line = lineOf(text)
      assert.strictEqual(line("lemmings_jobs_dead_letters", [`queue="app/Mail"`]), 1)
      assert.strictEqual(line("lemmings_jobs_last_minute", [`outcome="failed"`]), 1)
      assert.strictEqual(line("lemmings_jobs_attempts_last_minute", []), 2)
      assert.strictEqual(line("lemmings_jobs_store_ready", []), 1)
      assert.strictEqual(line("lemmings_jobs_stored", [`state="waiting"`]), 0)
      assert.strictEqual(line("lemmings_jobs_ended_total", [`outcome="discarded"`]), 1)
    }).pipe(alone)
  )
})
