/**
 * What the tests of the promises share.
 */
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Stream } from "effect"
import { type Herd, type HerdEvent, type HerdStats, Lemmings } from "../../src/index.ts"

type Options = Herd.CommonOptions<"suspend">

/**
 * Starts a herd that lives as long as the test, and whose end does not wait for a test clock that nobody moves. Its
 * number of workers is constant unless the options say otherwise.
 */
export const start = (options: Options = {}) =>
  Effect.map(
    Layer.build(
      Lemmings.layer({
        scaling: "fixed",
        ...options,
        shutdown: { drain: 0, interrupt: 0, destroy: 0, ...options.shutdown }
      })
    ),
    Context.get(Lemmings)
  )

/** Counts what goes on at one time. */
export class Gauge {
  now = 0
  most = 0

  during<A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.most = Math.max(this.most, ++this.now)
      }),
      () => work,
      () => Effect.sync(() => this.now--)
    )
  }
}

/** Lets every fiber that could go on do so, while the test clock stands still. */
export const settled = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Forks in the test's fiber and runs up to the first wait. */
export const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true })

/** Every event from now on, in an array that grows. Call `settled` before reading it. */
export const listen = <D>(herd: Pick<Herd.Herd<D>, "events">) =>
  Effect.gen(function* () {
    const seen: Array<HerdEvent> = []
    yield* herd.events.pipe(
      Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
      Effect.forkScoped({ startImmediately: true })
    )
    return seen
  })

/** A layer that collects the warnings of the herd, as level and message. */
export const collectWarnings = (lines: Array<string>) =>
  Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") lines.push(Array.isArray(message) ? String(message[0]) : String(message))
    })
  ])

/** submitted = queued + delayed + running + succeeded + failed + interrupted + shed, and the like of workers and resources. */
export const conserved = ({ resources, tasks, workers }: HerdStats): void => {
  const { delayed, failed, interrupted, queued, running, shed, submitted, succeeded } = tasks
  assert.strictEqual(
    submitted,
    queued + delayed + running + succeeded + failed + interrupted + shed,
    "tasks are counted once"
  )
  assert.isAtLeast(Math.min(queued, delayed, running), 0)
  assert.strictEqual(workers.size, workers.idle + workers.busy + workers.starting, "workers are counted once")
  assert.strictEqual(resources.alive, resources.created - resources.destroyed)
  assert.isAtLeast(resources.alive, 0)
}
