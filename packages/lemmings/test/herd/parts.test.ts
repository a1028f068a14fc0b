import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Semaphore } from "effect"
import {
  FiberPool,
  Herd,
  Lemmings,
  type QueuedTask,
  Resources,
  ScalingPolicy,
  Supervisor,
  SystemMetrics,
  TaskQueue
} from "../../src/index.ts"
import { unsupervised } from "../../src/scaling/Supervisor.ts"
import { virtual } from "../../src/testing/index.ts"

class Connection extends Context.Service<Connection, { readonly id: number }>()("test/parts/Connection") {}
class Connections extends Herd.Service<Connections>()("test/parts/Connections", { resource: Connection }) {}

describe("a part is replaced by another", () => {
  it("TaskQueue: the newest task first, with the tasks of runAll among them", () => {
    const newestFirst = Layer.succeed(TaskQueue.TaskQueue, {
      make: <T extends QueuedTask>() => {
        const line = TaskQueue.make<T>({ capacity: Infinity, overflow: "suspend", ageing: Infinity })
        const first = (count: number) =>
          [...line.waiting()].toSorted((a, b) => b.sequence - a.sequence).slice(0, count)
        const pop = () => {
          const [next] = first(1)
          if (next?.tasks === 1) line.remove(next)
          return next
        }
        return { ...line, first, peek: () => first(1)[0], pop }
      }
    })
    const options = { workers: { min: 1, max: 1 } }
    const live = Lemmings.layerNoDeps(options).pipe(
      Layer.provide(newestFirst),
      Layer.provide(Lemmings.parts(options))
    )
    const order: Array<string> = []
    const say = (name: string) => Effect.sync(() => order.push(name))
    const program = Effect.gen(function* () {
      const herd = yield* Lemmings
      yield* herd.pause
      for (const name of ["first", "second", "third"]) yield* herd.submit(say(name))
      const all = yield* Effect.forkChild(herd.runAll([say("one"), say("two")]), { startImmediately: true })
      yield* herd.submit(say("last"))
      assert.deepStrictEqual((yield* herd.stats).tasks.queued, 6)
      yield* herd.resume
      yield* herd.awaitIdle
      yield* Fiber.join(all)
      return order
    })
    return Effect.runPromise(virtual(Effect.provide(program, live))).then((seen) =>
      assert.deepStrictEqual(seen, ["last", "two", "one", "third", "second", "first"])
    )
  })

  it.effect("FiberPool: every lease that comes back passes through it", () => {
    let returned = 0
    const counting = Layer.effect(
      FiberPool.FiberPool,
      Effect.map(FiberPool.FiberPool, (standard) =>
        FiberPool.FiberPool.of({
          make: (line, timers) =>
            Effect.map(standard.make(line, timers), (pool) => ({
              ...pool,
              release: (lease, healthy, now) => {
                returned++
                pool.release(lease, healthy, now)
              }
            }))
        })
      )
    )
    return Effect.gen(function* () {
      yield* Lemmings.runAll([Effect.void, Effect.yieldNow, Effect.ignore(Effect.fail("no"))])
      assert.strictEqual(returned, 3)
    }).pipe(
      Effect.provide(Lemmings.layerNoDeps().pipe(Layer.provide(counting), Layer.provide(Lemmings.parts())))
    )
  })

  it("Resources: workers and spares have theirs from it, here one at a time", () => {
    const oneAtATime = Layer.effect(
      Resources,
      Effect.gen(function* () {
        const standard = yield* Resources
        const turn = yield* Semaphore.make(1)
        return Resources.of({
          ...standard,
          create: (info, made) => turn.withPermits(1)(standard.create(info, made))
        })
      })
    )
    const seen = { creating: 0, most: 0, made: 0 }
    const onCreate = Effect.gen(function* () {
      seen.most = Math.max(seen.most, ++seen.creating)
      yield* Effect.sleep("5 millis")
      seen.creating--
      return { id: ++seen.made }
    })
    const options = { workers: { min: 4, max: 4 }, start: "eager" } as const
    const most = (replaced: boolean) => {
      seen.most = 0
      const herd = Connections.layerNoDeps(options)
      const live = (replaced ? Layer.provide(herd, oneAtATime) : herd).pipe(
        Layer.provide(Connections.parts({ ...options, onCreate }))
      )
      return Effect.runPromise(
        virtual(
          Effect.provide(
            Effect.map(Connections.run(Connection), () => seen.most),
            live
          )
        )
      )
    }
    return most(true).then(async (replaced) => assert.deepStrictEqual([replaced, await most(false)], [1, 4]))
  })

  it("Supervisor: its policy, and itself", async () => {
    const three = ScalingPolicy.make({
      name: "three",
      targetWait: 0,
      initial: undefined,
      decide: () => [{ target: 3, reason: "because" }, undefined]
    })
    const steady = Layer.succeed(Supervisor, {
      supervise: (herd) =>
        Effect.sync(() => {
          herd.resize({ to: 2, by: "steady", reason: "two are enough", paused: false })
          return { ...unsupervised, policy: "steady" }
        })
    })
    const program = Effect.gen(function* () {
      const herd = yield* Lemmings
      yield* herd.runAll([1, 2, 3, 4].map(() => Effect.sleep("1 second")))
      const { by, reason } = (yield* herd.history).at(-1)!
      return [yield* herd.target, (yield* herd.stats).scaling.policy, by, reason]
    })
    const policy = Lemmings.layer({ scaling: three, workers: { min: 1, max: 8 } })
    const itself = Lemmings.layerNoDeps().pipe(Layer.provide(steady), Layer.provide(Lemmings.parts()))
    assert.deepStrictEqual(await Effect.runPromise(virtual(Effect.provide(program, policy))), [
      3,
      "three",
      "three",
      "because"
    ])
    assert.deepStrictEqual(await Effect.runPromise(virtual(Effect.provide(program, itself))), [
      2,
      "steady",
      "steady",
      "two are enough"
    ])
  })

  it("SystemMetrics: the policy that looks at memory sees what it says", async () => {
    const used = (part: number) => {
      const metrics = SystemMetrics.layerFake(() => ({ memoryLimit: 1000, memoryUsed: 1000 * part }))
      const live = Lemmings.layer({ scaling: "memory", scalingInterval: "1 second" }).pipe(
        Layer.provide(metrics)
      )
      const program = Effect.gen(function* () {
        const herd = yield* Lemmings
        yield* herd.submit(Effect.sleep("1 minute"))
        yield* Effect.sleep("10 seconds")
        return (yield* herd.stats).scaling.paused
      })
      return Effect.runPromise(virtual(Effect.provide(program, live)))
    }
    assert.deepStrictEqual([await used(0.99), await used(0.1)], [true, false])
  })
})
