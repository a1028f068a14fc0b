import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Queue, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Herd } from "../../src/index.ts"
import { Bare, bare, exitOf, flush, gate, start } from "./support.ts"

class Other extends Herd.Service<Other>()("scenarios/Other") {}

/** Orders pairs by their name. */
const byName = ([a]: ReadonlyArray<unknown>, [b]: ReadonlyArray<unknown>) =>
  String(a).localeCompare(String(b))

const units = (n: number) => Array.from({ length: n }, (_, i) => i)

describe("gofherd: outputs", () => {
  it.effect("GH-01: one unit comes out as a success of one attempt, and the output ends", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const output = yield* Stream.runCollect(
        herd.stream(Stream.make(1), (n) => Effect.succeed(n + 1), { id: "unit" })
      )

      assert.deepStrictEqual(output, [
        { id: "unit", input: 1, status: "succeeded", attempts: 1, result: Exit.succeed(2) }
      ])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("GH-02: 1,000 units that retry 100 times each come out as failures of 101 attempts", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let runs = 0
      const always = Effect.suspend(() => Effect.fail(++runs))
      const output = yield* Stream.runCollect(
        herd.stream(Stream.fromIterable(units(1000)), () => always, { retry: Schedule.recurs(100) })
      )

      assert.deepStrictEqual([output.length, runs], [1000, 101_000])
      assert.deepStrictEqual(
        [...new Set(output.map(({ attempts, status }) => `${status} ${attempts}`))],
        ["failed 101"]
      )
      assert.include((yield* herd.stats).tasks, { failed: 1000, retried: 100_000, delayed: 0, queued: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("GH-03: a failure that is final is not retried although retries are left", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const output = yield* Stream.runCollect(
        herd.stream(Stream.make("final", "again"), (error) => Effect.fail(error), {
          retry: Schedule.recurs(10),
          while: (error) => error === "again",
          ordered: true
        })
      )

      assert.deepStrictEqual(
        output.map(({ attempts, input, status }) => [input, status, attempts]),
        [
          ["final", "failed", 1],
          ["again", "failed", 11]
        ]
      )
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("GH-05: a success and GH-06: a failure are counted before they are visible on the output", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const counts = yield* herd
        .stream(Stream.make(true, false), (ok) => (ok ? Effect.void : Effect.fail("no")), {
          ordered: true,
          concurrency: 1
        })
        .pipe(
          Stream.mapEffect(({ status }) =>
            Effect.map(herd.stats, ({ tasks }) => [status, tasks.succeeded, tasks.failed])
          ),
          Stream.runCollect
        )

      assert.deepStrictEqual(counts, [
        ["succeeded", 1, 0],
        ["failed", 1, 1]
      ])
    }).pipe(Effect.provide(bare()))
  )

  const counted = () => {
    const seen = { complete: 0, error: 0 }
    return {
      seen,
      hooks: {
        onTaskComplete: () => Effect.sync(() => seen.complete++),
        onTaskError: () => Effect.sync(() => seen.error++)
      }
    }
  }

  it.effect.each([
    ["success", true, { complete: 10, error: 0 }],
    ["failure", false, { complete: 0, error: 10 }]
  ] as const)("GH-07, GH-08: the %s callback is called ten times for ten outputs", ([, ok, expected]) => {
    const { hooks, seen } = counted()
    return Effect.gen(function* () {
      const herd = yield* Bare
      const output = yield* Stream.runCollect(
        herd.stream(Stream.fromIterable(units(10)), () => (ok ? Effect.void : Effect.fail("no")))
      )

      assert.strictEqual(output.length, 10)
      assert.deepStrictEqual(seen, expected)
    }).pipe(Effect.provide(bare({ workers: { max: 10 }, hooks })))
  })

  it.effect("GH-09: seven units with five retries each tell of 35 retries", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let retries = 0
      yield* start(
        Stream.runForEach(herd.events, ({ _tag }) =>
          Effect.sync(() => {
            if (_tag === "TaskRetried") retries++
          })
        )
      )
      yield* flush
      yield* Stream.runDrain(
        herd.stream(Stream.fromIterable(units(7)), () => Effect.fail("no"), { retry: Schedule.recurs(5) })
      )
      yield* flush

      assert.strictEqual(retries, 35)
    }).pipe(Effect.provide(bare({ workers: { max: 11 } })))
  )

  it.effect("GH-10: five retries of one unit raise the retry counter by five", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* Effect.exit(herd.run(Effect.fail("no"), { retry: Schedule.recurs(5) }))

      assert.include((yield* herd.stats).tasks, { retried: 5, failed: 1 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("GH-11: what the task does to its input is visible on the output", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const body = { value: 5 }
      const [output] = yield* Stream.runCollect(
        herd.stream(Stream.make(body), (unit) => Effect.sync(() => (unit.value += 10)))
      )

      assert.strictEqual(output?.input, body)
      assert.deepStrictEqual(output?.input, { value: 15 })
    }).pipe(Effect.provide(bare()))
  )

  it.effect("GH-16: a task's status is named at every point of its life", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const running = yield* herd.submit(task)
      const queued = yield* herd.submit(Effect.fail("no"), {
        retry: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 1 }))
      })
      const statuses = [yield* running.status, yield* queued.status]
      yield* open
      yield* flush
      statuses.push(yield* running.status, yield* queued.status)
      yield* TestClock.adjust("1 second")
      statuses.push(yield* queued.status)

      assert.deepStrictEqual(statuses, ["running", "queued", "succeeded", "delayed", "failed"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})

describe("gofherd: size", () => {
  it.effect(
    "GH-12: a bad size is refused, the same size is no news, and the output ends after a shrink",
    () =>
      Effect.gen(function* () {
        const herd = yield* Bare
        const resized: Array<readonly [number, number]> = []
        yield* start(
          Stream.runForEach(herd.events, (event) =>
            Effect.sync(() => {
              if (event._tag === "Resized") resized.push([event.from, event.to])
            })
          )
        )
        yield* flush
        const refused = yield* Effect.flip(herd.resize(-1))
        const kept = yield* herd.target
        for (const size of [10, 10, 1]) yield* herd.resize(size)
        const output = yield* Stream.runCollect(herd.stream(Stream.make("unit"), Effect.succeed))
        yield* flush

        assert.deepStrictEqual([refused._tag, kept, output.length], ["InvalidConfig", 5, 1])
        assert.deepStrictEqual(resized, [
          [5, 10],
          [10, 1]
        ])
        assert.include((yield* herd.stats).workers, { size: 1, stopping: 0 })
      }).pipe(Effect.provide(bare({ workers: { max: 10, initial: 5 } })))
  )

  it.effect("GH-E1: ten units wait for a herd of 0 and run when it grows to 10", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const output = yield* start(
        Stream.runCollect(
          herd.stream(Stream.fromIterable(units(10)), (n) => Effect.succeed(n + 10), { ordered: true })
        )
      )
      yield* flush
      const { tasks } = yield* herd.stats
      const before = exitOf(output)
      yield* herd.resize(10)

      assert.deepStrictEqual([before, tasks.running, tasks.queued], [undefined, 0, 10])
      assert.deepStrictEqual(
        (yield* Fiber.join(output)).map(({ result }) => result),
        units(10).map((n) => Exit.succeed(n + 10))
      )
    }).pipe(Effect.provide(bare({ workers: { min: 0, max: 10, initial: 0 } })))
  )

  it.effect("GH-E2: requests that fail now and then all succeed within 100 retries", () => {
    let successes = 0
    const hooks = { onTaskComplete: () => Effect.sync(() => successes++) }
    return Effect.gen(function* () {
      const herd = yield* Bare
      const tries = new Map<number, number>()
      const request = (n: number) =>
        Effect.suspend(() => {
          const attempt = (tries.get(n) ?? 0) + 1
          tries.set(n, attempt)
          return Effect.andThen(
            Effect.sleep(20 + n),
            attempt <= n % 5 ? Effect.fail("timeout") : Effect.succeed(n)
          )
        })
      const output = yield* start(
        Stream.runCollect(
          herd.stream(Stream.fromIterable(units(50)), request, { retry: Schedule.recurs(100) })
        )
      )
      yield* TestClock.adjust("1 minute")
      const done = yield* Fiber.join(output)

      assert.deepStrictEqual(
        done.map(({ attempts, input }) => [input, attempts]).toSorted(([a = 0], [b = 0]) => a - b),
        units(50).map((n) => [n, (n % 5) + 1])
      )
      assert.strictEqual(successes, 50)
    }).pipe(Effect.provide(bare({ workers: { max: 5 }, hooks })))
  })
})

describe("gofherd: regressions", () => {
  it.effect.each([NaN, 2.5, Infinity, -1])("GH-R: the bad size %d leaves the herd as it was", (size) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const error = yield* Effect.flip(herd.resize(size))

      assert.include(error, {
        field: "workers",
        rule: 'an integer from 0 to workers.max (4), or "auto"; raise workers.max with setBounds'
      })
      assert.include((yield* herd.stats).workers, { target: 4, size: 4 })
    }).pipe(Effect.provide(bare({ workers: { max: 4 } })))
  )

  it.effect("GH-R: shrinking a busy herd returns at once and takes effect as tasks end", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      for (let n = 0; n < 5; n++) yield* herd.submit(task)
      yield* herd.resize(1)
      const during = yield* herd.stats
      yield* open
      yield* flush
      const after = yield* herd.stats

      assert.include(during.workers, { target: 1, size: 1, stopping: 4 })
      assert.include(after.workers, { target: 1, size: 1, busy: 0, stopping: 0 })
      assert.deepStrictEqual([during.tasks.running, after.tasks.succeeded], [5, 5])
    }).pipe(Effect.provide(bare({ workers: { max: 5 } })))
  )

  it.effect("GH-R: shrinking after the work is done returns", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.runAll(units(10).map(() => Effect.yieldNow))
      yield* herd.resize(0)

      assert.include((yield* herd.stats).workers, { target: 0, size: 0, stopping: 0 })
    }).pipe(Effect.provide(bare({ workers: { max: 3 } })))
  )

  it.effect("GH-R: the output of an empty input ends although the herd has no worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const output = yield* Stream.runCollect(herd.stream(Stream.empty, () => Effect.void))

      assert.deepStrictEqual(output, [])
    }).pipe(Effect.provide(bare({ workers: { min: 0, max: 1, initial: 0 } })))
  )

  it.effect("GH-R: work that is sent after the stop comes out refused, and the output ends", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.stop()
      const output = yield* Stream.runCollect(
        herd.stream(Stream.make(1, 2), Effect.succeed, { ordered: true })
      )

      assert.deepStrictEqual(
        output.map(({ attempts, input, result }) => [input, attempts, Exit.isFailure(result)]),
        [
          [1, 0, true],
          [2, 0, true]
        ]
      )
      assert.strictEqual((yield* Effect.flip(herd.submit(Effect.void)))._tag, "HerdClosed")
    }).pipe(Effect.provide(bare()))
  )

  it.effect("GH-R: a reader that stops reading holds back the source and nothing else", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let pulled = 0
      const source = Stream.fromIterable(units(1000)).pipe(
        Stream.rechunk(1),
        Stream.mapEffect((n) => Effect.sync(() => (pulled++, n)))
      )
      const outputs = yield* Queue.bounded<number>(1)
      yield* start(
        Stream.runForEach(herd.stream(source, Effect.succeed), ({ input }) => Queue.offer(outputs, input))
      )
      yield* flush

      assert.isBelow(pulled, 60)
      assert.strictEqual(yield* herd.run(Effect.succeed("others go on")), "others go on")
    }).pipe(Effect.provide(bare({ workers: { max: 2 } })))
  )

  it.effect("GH-R: two herds have metrics of their own", () =>
    Effect.gen(function* () {
      const one = yield* Bare
      const other = yield* Other
      yield* one.run(Effect.void)
      yield* one.run(Effect.void)
      yield* other.run(Effect.void)
      const accepted = (yield* Metric.snapshot)
        .filter(({ id }) => id === "lemmings_tasks_accepted_total")
        .map(({ attributes, state }) => [attributes?.["herd"], "count" in state ? state.count : undefined])

      assert.deepStrictEqual(accepted.toSorted(byName), [
        ["scenarios/Bare", 2],
        ["scenarios/Other", 1]
      ])
      assert.deepStrictEqual(
        [(yield* one.stats).tasks.succeeded, (yield* other.stats).tasks.succeeded],
        [2, 1]
      )
    }).pipe(Effect.provide([bare(), Other.layer()]))
  )
})
