/**
 * The quick starts of the five Go libraries that Lemmings grew from, one after the other. Each line of output
 * is the same in every run. Run it with `node src/main.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { argumentsOf, fitted } from "@lemmings/examples-usage"
import { Console, Context, Effect, Fiber, References, Schedule, Schema, Stream } from "effect"
import { Herd, Lemmings, LemmingsLive } from "lemmings"

argumentsOf(`node src/main.ts

The quick starts of five Go libraries, one after the other.`)

// tasker: workers own a resource, and a result comes back in three styles.

class Calculator extends Context.Service<
  Calculator,
  {
    readonly add: (a: number, b: number) => Effect.Effect<number>
    readonly subtract: (a: number, b: number) => Effect.Effect<number>
  }
>()("quickstart/Calculator") {}

class CalculatorHerd extends Herd.Service<CalculatorHerd>()("quickstart/CalculatorHerd", {
  resource: Calculator
}) {
  static readonly live = this.layer({
    onCreate: Effect.succeed(
      Calculator.of({ add: (a, b) => Effect.succeed(a + b), subtract: (a, b) => Effect.succeed(a - b) })
    ),
    workers: { min: 2, max: 2 }
  })
}

const calculate = Effect.gen(function* () {
  // Wait in line for the result, or take it later, or pass the line.
  const first = yield* CalculatorHerd.run(
    Calculator.use((calculator) => calculator.add(10, 25)),
    { priority: "high" }
  )
  const second = yield* CalculatorHerd.submit(Calculator.use((calculator) => calculator.subtract(100, 40)))
  const third = yield* CalculatorHerd.runNow(Calculator.use((calculator) => calculator.add(1, 2)))
  yield* Console.log(`tasker: 10 + 25 = ${first}, 100 - 40 = ${yield* second.join}, 1 + 2 = ${third}`)
}).pipe(Effect.provide(CalculatorHerd.live))

// gofherd: units of work stream in and results stream out; the size of the herd is set from outside.

const streamUnits = Effect.gen(function* () {
  const herd = yield* Lemmings
  yield* herd.resize(0)
  const results = yield* herd
    .stream(Stream.range(0, 9), (n) => Effect.succeed(n + 10), { ordered: true })
    .pipe(Stream.runCollect, Effect.forkChild)
  yield* herd.resize(10)
  const units = yield* Fiber.join(results)
  const shown = yield* Effect.forEach(units, ({ id, result, status }) =>
    Effect.map(result, (value) => `${id} ${status} ${value}`)
  )
  yield* Console.log(fitted(`gofherd: ${shown.join(", ")}`))
}).pipe(Effect.provide(LemmingsLive))

// loomy: a batch, results in order. A job that panics gives its caller the defect, and harms nobody else.

const square = (n: number) => (n < 0 ? Effect.die("negative") : Effect.succeed(n * n))

const squareAll = Effect.gen(function* () {
  const herd = yield* Lemmings
  const squares = yield* herd.runAll([1, 2, 3, 4, 5].map(square))
  const exits = yield* herd.runAll([-1, 6].map(square), { mode: "settle" })
  yield* Console.log(`loomy: ${squares.join(" ")}, then ${exits.map(({ _tag }) => _tag).join(" ")}`)
}).pipe(Effect.provide(LemmingsLive))

// semstreams: fifty tasks into a short queue. When it is full, the submitter hears of it and offers again.

class BoundedHerd extends Herd.Service<BoundedHerd>()("quickstart/BoundedHerd") {
  static readonly live = this.layer({ workers: { min: 5, max: 5 }, queue: { capacity: 20 } })
}

const offerFifty = Effect.gen(function* () {
  const herd = yield* BoundedHerd
  let refused = 0
  for (let n = 0; n < 50; n++) {
    yield* herd.offer(Effect.sleep("20 millis")).pipe(
      Effect.tapError(() => Effect.sync(() => refused++)),
      Effect.retry({ while: (error) => error._tag === "QueueFull", schedule: Schedule.spaced("5 millis") })
    )
  }
  const report = yield* herd.stop() // drains the queue
  const { tasks } = yield* herd.stats
  yield* Console.log(
    fitted(
      `semstreams: ${tasks.succeeded} done, ${report.abandoned} lost, ` +
        `${refused > 0 ? "after" : "without"} waiting for a full queue`
    )
  )
}).pipe(Effect.provide(BoundedHerd.live))

// lemmings: tasks that fail at first and are tried again, without holding a worker meanwhile; then the figures.

class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}

class RetryingHerd extends Herd.Service<RetryingHerd>()("quickstart/RetryingHerd") {
  static readonly live = this.layer({
    workers: { min: 5, max: 20 },
    retry: Schedule.exponential("5 millis").pipe(Schedule.upTo({ times: 3 }))
  })
}

/** Fails the first time it runs. */
const flaky = (name: string) => {
  let attempts = 0
  return Effect.suspend(() => (++attempts === 1 ? new Flaky() : Effect.succeed(`${name} completed`)))
}

const retryAll = Effect.gen(function* () {
  const herd = yield* RetryingHerd
  const names = ["task-1", "task-2", "task-3"]
  const results = yield* Effect.forEach(names, (id) => herd.run(flaky(id), { id, timeout: "5 seconds" }), {
    concurrency: "unbounded"
  })
  const { totals } = yield* herd.metrics
  yield* Console.log(
    fitted(
      `lemmings: ${results.join(", ")}; succeeded ${totals.succeeded}, failed ${totals.failed}, ` +
        `retried ${totals.retried}`
    )
  )
}).pipe(Effect.provide(RetryingHerd.live))

Effect.all([calculate, streamUnits, squareAll, offerFifty, retryAll], { discard: true }).pipe(
  // A herd that owns resources logs each change of its number of workers.
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
