// A herd with flow control under everything that people do to it, checked at every step.
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Herd, type HerdStats, type LimitsOptions, type TaskHandle } from "lemmings"
import { assertConserved, virtual } from "lemmings/testing"
import { mulberry } from "../internal/mulberry.ts"

class Flow extends Herd.Service<Flow>()("test/FlowModel", { sheds: true }) {}

class Busy {
  readonly _tag = "Busy"
}

const keys = ["a", "b", "c", "d", undefined]
const workers = 4

interface Running {
  readonly weight: Map<string | undefined, number>
  readonly tasks: Map<string | undefined, number>
  all: number
  most: number
}

/** Caps that hold whatever the limits say at the moment: a cap that is lowered does not stop what runs. */
interface Caps {
  readonly key: number
  readonly weight: number
  readonly ordered: boolean
}

const limitsOf = (random: () => number): LimitsOptions => {
  const maybe = <A>(value: A): A | undefined => (random() < 0.5 ? value : undefined)
  return {
    weight: maybe(3 + Math.floor(random() * 4)),
    rate: maybe({ limit: 20 + Math.floor(random() * 50), per: "1 second", burst: 4 }),
    perKey: {
      concurrency: maybe(2 + Math.floor(random() * 2)),
      ordered: random() < 0.2,
      share: (key) => 1 + (key.charCodeAt(0) % 3),
      rate: maybe({ limit: 5 + Math.floor(random() * 10), per: "1 second", burst: 3 })
    },
    hold: (error: unknown) => (error instanceof Busy ? 200 : undefined)
  }
}

const capsOf = ({ perKey, weight }: LimitsOptions): Caps => ({
  key: typeof perKey?.concurrency === "number" ? perKey.concurrency : Infinity,
  weight: weight ?? Infinity,
  ordered: perKey?.ordered === true
})

/** Runs one seed, and returns its steps. */
const drive = (seed: number, length: number) =>
  Effect.gen(function* () {
    const random = mulberry(seed)
    const first = limitsOf(random)
    const herd = Context.get(
      yield* Layer.build(
        Flow.layer({
          workers: { min: workers, max: workers },
          scaling: "fixed",
          queue: {
            order: random() < 0.5 ? "fair" : "arrival",
            cost: random() < 0.5 ? "weight" : "time",
            ageing: random() < 0.5 ? 500 : "never"
          },
          limits: first,
          retryBudget: { ratio: 0.5, perSecond: 5 },
          shutdown: { drain: "1 hour" }
        })
      ),
      Flow
    )
    const running: Running = { weight: new Map(), tasks: new Map(), all: 0, most: 0 }
    // What runs now started under caps that may have been lowered since: the largest of them bounds it.
    let caps: Array<Caps> = [capsOf(first)]
    const handles: Array<TaskHandle<unknown, unknown>> = []
    let paused = false
    let steps = 0

    const add = <K>(map: Map<K, number>, key: K, by: number) => map.set(key, (map.get(key) ?? 0) + by)
    const body = (key: string | undefined, weight: number) => {
      let attempts = 0
      const fails = random() < 0.2 ? 1 + Math.floor(random() * 2) : 0
      const busy = random() < 0.3
      const millis = Math.floor(random() * 120)
      const after = random() < 0.2 ? Math.floor(random() * 50) : 0
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          add(running.weight, key, weight)
          add(running.tasks, key, 1)
          running.all += weight
        }),
        () =>
          Effect.andThen(
            Effect.sleep(millis),
            Effect.suspend((): Effect.Effect<void, Busy | "failed"> =>
              ++attempts <= fails ? Effect.fail(busy ? new Busy() : "failed") : Effect.void
            )
          ),
        () =>
          Effect.andThen(
            Effect.sleep(after),
            Effect.sync(() => {
              add(running.weight, key, -weight)
              add(running.tasks, key, -1)
              running.all -= weight
            })
          )
      )
    }
    const check = (stats: HerdStats) => {
      assertConserved(stats)
      const { tasks } = stats
      const say = `seed ${seed}, step ${steps}`
      assert.strictEqual(tasks.ready + tasks.held, tasks.queued + tasks.admitting, say)
      const most = (of: (one: Caps) => number) => Math.max(...caps.map(of))
      assert.isAtMost(
        running.all,
        most(({ weight }) => weight),
        say
      )
      for (const [key, weight] of running.weight) {
        if (key === undefined) continue
        assert.isAtMost(
          weight,
          most((one) => one.key),
          `${say}: ${key}`
        )
        if (caps.every(({ ordered }) => ordered))
          assert.isAtMost(running.tasks.get(key) ?? 0, 1, `${say}: ${key}`)
      }
      // Nobody waits for a worker while one is idle.
      if (!paused && stats.state === "running")
        assert.isTrue(
          tasks.ready === 0 || stats.workers.idle === 0,
          `${say}: a worker is idle while a task is ready`
        )
      if (running.all === 0) caps = caps.slice(-1)
    }

    for (; steps < length; steps++) {
      const dice = random()
      const key = keys[Math.floor(random() * keys.length)]
      const some = handles[Math.floor(random() * handles.length)]
      if (dice < 0.4) {
        const weight = random() < 0.85 ? 1 : 2
        const exit = yield* Effect.exit(
          herd.submit(body(key, weight), {
            priority: Math.floor(random() * 3),
            weight,
            ...(key === undefined ? {} : { key }),
            ...(random() < 0.3 ? { timeout: 60 } : {}),
            ...(random() < 0.2 ? { deadline: 400 } : {}),
            ...(random() < 0.4 ? { retry: Schedule.spaced(30).pipe(Schedule.upTo({ times: 2 })) } : {})
          })
        )
        if (Exit.isSuccess(exit)) handles.push(exit.value)
      } else if (dice < 0.45) {
        const many = Array.from({ length: 1 + Math.floor(random() * 5) }, () => body(key, 1))
        yield* Effect.forkScoped(
          Effect.exit(herd.runAll(many, { ...(key === undefined ? {} : { key }), mode: "settle" }))
        )
      } else if (dice < 0.53 && some !== undefined) yield* Effect.forkScoped(some.interrupt)
      else if (dice < 0.57 && some !== undefined) yield* some.setPriority(Math.floor(random() * 3))
      else if (dice < 0.6 && key !== undefined) yield* herd.hold(key, Math.floor(random() * 300))
      else if (dice < 0.62 && key !== undefined) yield* herd.release(key)
      else if (dice < 0.64) {
        const next = limitsOf(random)
        yield* herd.setLimits(next)
        caps.push(capsOf(next))
      } else if (dice < 0.67) {
        paused = !paused
        yield* paused ? herd.pause : herd.resume
      } else if (dice < 0.69) yield* herd.clear
      else if (dice < 0.72 && some !== undefined) {
        const why = yield* herd.explain(some.id)
        if (why?.status === "queued" && !paused && why.blockedBy.length === 0)
          assert.fail(`seed ${seed}, step ${steps}: ${why.id} waits for nothing`)
      } else yield* TestClock.adjust(Math.floor(random() * 60))
      check(yield* herd.stats)
    }
    if (paused) yield* herd.resume
    paused = false
    yield* herd.setLimits({})
    for (const key of keys) if (key !== undefined) yield* herd.release(key)
    yield* TestClock.adjust("1 minute")
    const stats = yield* herd.stats
    assert.deepStrictEqual(
      [stats.tasks.queued, stats.tasks.delayed, stats.tasks.running, running.all],
      [0, 0, 0, 0],
      `seed ${seed}: everything ends`
    )
    yield* herd.run(Effect.void)
    assert.deepStrictEqual(yield* herd.keys(), [], `seed ${seed}: nothing is remembered`)
    return steps
  })

export const flowModelSuite = (seeds: number) =>
  describe("a herd with flow control", () => {
    it.effect(
      "keeps every count and limit, and no worker idle, whatever is done to it",
      () =>
        Effect.gen(function* () {
          let steps = 0
          for (let seed = 1; seed <= seeds; seed++) steps += yield* virtual(Effect.scoped(drive(seed, 200)))
          assert.strictEqual(steps, seeds * 200)
        }),
      600_000
    )
  })
