import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Herd, ResourceUnavailable } from "../../src/index.ts"
import { forEverySeed, interruptEverywhere, virtual } from "../../src/testing/index.ts"
import { conserved, fork, Gauge, listen, settled } from "./support.ts"

class Session extends Context.Service<Session, { readonly id: number }>()("test/Session") {}
class Sessions extends Herd.Service<Sessions>()("test/Sessions", { resource: Session }) {}

type Options = Herd.CommonOptions<"suspend"> & Partial<Herd.ResourceOptions<Session["Service"]>>

/** Counts the resources that are alive from the first step of their creation to the last of their destruction. */
class Nursery {
  readonly gauge = new Gauge()
  readonly born: Array<number> = []
  readonly died: Array<number> = []
  /** Once begun, creation goes on to its end whoever interrupts it. */
  private readonly atomic: boolean
  private readonly create: Effect.Effect<unknown>
  private readonly destroy: Effect.Effect<unknown>
  private next = 1

  constructor(
    life: {
      readonly create?: Effect.Effect<unknown>
      readonly destroy?: Effect.Effect<unknown>
      readonly atomic?: boolean
    } = {}
  ) {
    this.atomic = life.atomic === true
    this.create = life.create ?? Effect.void
    this.destroy = life.destroy ?? Effect.void
  }
  get alive(): number {
    return this.born.length - this.died.length
  }
  get lifecycle() {
    const bear = Effect.sync(() => {
      const id = this.next++
      this.born.push(id)
      this.gauge.most = Math.max(this.gauge.most, this.alive)
      return { id }
    })
    const bury = ({ id }: { readonly id: number }) =>
      Effect.ensuring(
        this.destroy,
        Effect.sync(() => this.died.push(id))
      )
    return {
      onCreate: this.atomic
        ? Effect.acquireRelease(Effect.andThen(this.create, bear), bury)
        : Effect.andThen(this.create, Effect.acquireRelease(bear, bury))
    }
  }
}

const layer = (nursery: Nursery, options: Options = {}) =>
  Sessions.layer({
    ...nursery.lifecycle,
    scaling: "fixed",
    ...options,
    shutdown: { drain: 0, interrupt: 0, destroy: 0, ...options.shutdown }
  })
const build = (nursery: Nursery, options: Options = {}) =>
  Effect.map(Layer.build(layer(nursery, options)), Context.get(Sessions))

const myId = Effect.map(Session, ({ id }) => id)

describe("promise 8: resources are conserved", () => {
  it.effect.prop(
    "created - destroyed = alive and never more alive than max, at every step of every script",
    {
      script: Schema.Array(
        Schema.Literals(["run", "fail", "grow", "shrink", "none", "wait", "bounds", "interrupt"])
      ).check(Schema.isMaxLength(40))
    },
    ({ script }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const nursery = new Nursery({ create: Effect.sleep(3), destroy: Effect.sleep(2) })
          const herd = yield* build(nursery, {
            workers: { min: 1, max: 4, initial: 2 },
            checkHealth: () => false,
            shutdown: { destroy: 10 }
          })
          const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
          const operations: Record<string, Effect.Effect<unknown, unknown, Session>> = {
            run: Effect.map(fork(herd.run(Effect.sleep(4))), (fiber) => fibers.push(fiber)),
            fail: fork(herd.run(Effect.andThen(Effect.sleep(1), Effect.fail("lost")))),
            grow: Effect.ignore(herd.resize(4)),
            shrink: herd.resize(1),
            none: herd.resize(0),
            bounds: herd.setBounds({ min: 0, max: 4 }),
            interrupt: Effect.suspend(() => {
              const fiber = fibers.pop()
              return fiber === undefined ? Effect.void : fork(Fiber.interrupt(fiber))
            }),
            wait: TestClock.adjust(1)
          }
          for (const step of script) {
            yield* operations[step] ?? Effect.void
            const stats = yield* herd.stats
            conserved(stats)
            assert.isAtMost(nursery.gauge.most, 4)
            assert.isAtMost(stats.workers.busy, stats.resources.alive, "leased is at most alive")
          }
          yield* herd.kill.pipe(fork)
          yield* TestClock.adjust(100)
          assert.deepStrictEqual(
            nursery.died.toSorted((a, b) => a - b),
            nursery.born,
            "each is destroyed once"
          )
          assert.strictEqual((yield* herd.stats).resources.alive, 0)
        })
      ).pipe(Effect.provideService(Session, { id: 0 })),
    { arbitrary: { runs: 60 } }
  )

  it.effect("50 callers at once, 150 ms to create and 2 ms of work make no more than min + 2 resources", () =>
    Effect.gen(function* () {
      const nursery = new Nursery({ create: Effect.sleep(150) })
      const herd = yield* build(nursery, { workers: { min: 2, max: 10, initial: 2 } })

      const callers = yield* fork(
        herd.runAll(Array.from({ length: 50 }, () => Effect.as(Effect.sleep(2), "done")))
      )
      yield* TestClock.adjust(200)

      assert.strictEqual((yield* Fiber.join(callers)).length, 50)
      assert.isAtMost(nursery.born.length, 4)
    })
  )

  it.effect("a task gets its own worker's resource, and no two tasks share one at a time", () =>
    Effect.gen(function* () {
      const herd = yield* build(new Nursery(), { workers: { max: 3 } })
      const inUse = new Set<number>()
      const task = Effect.flatMap(Session, ({ id }) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            assert.isFalse(inUse.has(id), "nobody else uses it")
            inUse.add(id)
          }),
          () => Effect.sleep(5),
          () => Effect.sync(() => inUse.delete(id))
        ).pipe(Effect.as(id))
      )

      const all = yield* fork(herd.runAll(Array.from({ length: 12 }, () => task)))
      yield* TestClock.adjust(20)

      assert.deepStrictEqual(new Set(yield* Fiber.join(all)), new Set([1, 2, 3]))
    })
  )

  it.effect("a resource that is finished after its worker was sent away is destroyed", () =>
    Effect.gen(function* () {
      const nursery = new Nursery({ create: Effect.sleep(150), atomic: true })
      const herd = yield* build(nursery, { workers: { max: 2 }, shutdown: { destroy: 100 } })

      yield* TestClock.adjust(50)
      yield* herd.resize(0)
      assert.strictEqual((yield* herd.stats).workers.stopping, 2)
      yield* TestClock.adjust(100)
      yield* settled

      assert.deepStrictEqual([nursery.born.length, nursery.alive], [2, 0])
      const { resources, workers } = yield* herd.stats
      assert.deepStrictEqual([resources.alive, workers.stopping], [0, 0])
    })
  )

  it.effect("a resource whose waiter left goes to the next waiter", () =>
    Effect.gen(function* () {
      const nursery = new Nursery({ create: Effect.sleep(150) })
      const herd = yield* build(nursery, { workers: { max: 1 } })
      const first = yield* fork(herd.run(myId))
      const second = yield* fork(herd.run(myId))

      yield* TestClock.adjust(100)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(50)

      assert.strictEqual(yield* Fiber.join(second), 1)
      assert.strictEqual(nursery.born.length, 1)
    })
  )

  it.effect("an onDestroy that hangs is left behind after shutdown.destroy and reported as leaked", () =>
    Effect.gen(function* () {
      const nursery = new Nursery({ destroy: Effect.never })
      const herd = yield* build(nursery, { workers: { max: 1 }, shutdown: { destroy: 100 } })
      const events = yield* listen(herd)

      yield* herd.resize(0)
      yield* TestClock.adjust(99)
      assert.strictEqual((yield* herd.stats).workers.stopping, 1)
      yield* TestClock.adjust(1)
      yield* settled

      const { resources, workers } = yield* herd.stats
      assert.deepStrictEqual([workers.stopping, resources.leaked, resources.destroyFailures], [0, 1, 1])
      assert.deepInclude(
        events.find(({ _tag }) => _tag === "ResourceDestroyFailed"),
        { leaked: true, workerId: 1 }
      )
    })
  )

  it.effect("an onCreate that never ends and ignores interruption does not hold up closing", () =>
    Effect.gen(function* () {
      const nursery = new Nursery({ create: Effect.uninterruptible(Effect.never) })
      const herd = yield* build(nursery, { workers: { max: 2 } })

      const killed = yield* fork(herd.stop({ destroy: 100 }))
      yield* TestClock.adjust(200)

      assert.deepStrictEqual(
        killed.pollUnsafe(),
        Exit.succeed({ completed: 0, interrupted: 0, abandoned: 0, leaked: 2 })
      )
    })
  )

  it.effect("an onCreate longer than createTimeout is interrupted and tried again", () =>
    Effect.gen(function* () {
      let calls = 0
      const herd = yield* build(new Nursery(), {
        onCreate: Effect.suspend(() => (++calls === 1 ? Effect.never : Effect.succeed({ id: calls }))),
        createTimeout: "3 seconds",
        workers: { max: 1 }
      })
      const waiting = yield* fork(herd.run(myId))

      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(calls, 1)
      yield* TestClock.adjust("1 second")

      assert.strictEqual(yield* Fiber.join(waiting), 2)
      assert.strictEqual((yield* herd.stats).resources.createFailures, 1)
    })
  )

  it.effect("finalizers of the resource's scope run when it goes, after onDestroy", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const say = (what: string) => Effect.sync(() => void log.push(what))
      yield* Effect.scoped(
        Layer.build(
          Sessions.layer({
            onCreate: Effect.as(
              Effect.acquireRelease(say("acquire"), () => say("release")),
              { id: 1 }
            ),
            onDestroy: () => say("onDestroy"),
            workers: { max: 1 }
          })
        )
      )

      assert.deepStrictEqual(log, ["acquire", "onDestroy", "release"])
    })
  )

  it.effect("what a failed onCreate has acquired is released before the next call", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const say = (what: string) => Effect.sync(() => void log.push(what))
      let calls = 0
      const herd = Context.get(
        yield* Layer.build(
          Sessions.layer({
            onCreate: Effect.suspend(() => {
              const id = ++calls
              const half = Effect.acquireRelease(say(`acquire ${id}`), () => say(`release ${id}`))
              return Effect.andThen(half, id === 1 ? Effect.fail("half") : Effect.succeed({ id }))
            }),
            workers: { max: 1 }
          })
        ),
        Sessions
      )
      yield* TestClock.adjust("1 second")

      assert.deepStrictEqual(log, ["acquire 1", "release 1", "acquire 2"])
      assert.strictEqual(yield* herd.run(myId), 2)
    })
  )

  it.effect("runNow makes a temporary resource when all workers are busy, and destroys it afterwards", () =>
    Effect.gen(function* () {
      const nursery = new Nursery()
      const herd = yield* build(nursery, { workers: { max: 1 } })
      yield* fork(herd.run(Effect.never))

      assert.strictEqual(yield* herd.runNow(myId), 2)
      yield* settled

      assert.deepStrictEqual(nursery.died, [2])
      assert.strictEqual((yield* herd.stats).resources.temporary, 0)
    })
  )

  it.effect("runNow fails with ResourceUnavailable when onCreate does, and with the cause", () =>
    Effect.gen(function* () {
      let calls = 0
      const herd = yield* build(new Nursery(), {
        onCreate: Effect.suspend(() => (++calls === 1 ? Effect.succeed({ id: 1 }) : Effect.fail("refused"))),
        workers: { max: 1 },
        maxTemporary: 1
      })
      yield* fork(herd.run(Effect.never))

      for (const _ of [1, 2]) {
        const error = yield* Effect.flip(herd.runNow(Effect.void))
        assert.instanceOf(error, ResourceUnavailable)
        assert.strictEqual(error.cause, "refused")
      }
      assert.strictEqual((yield* herd.stats).resources.temporary, 0)
    })
  )

  const places = {
    "an idle worker": { workers: { max: 1 } },
    "a spare": { workers: { max: 1, initial: 0, min: 0 }, spares: 1 },
    "a temporary resource": { workers: { max: 1, initial: 0, min: 0 } }
  }
  for (const [place, options] of Object.entries(places)) {
    it.effect(`runNow on ${place} loses nothing, at whatever step its caller is interrupted`, () =>
      Effect.gen(function* () {
        let nursery = new Nursery()
        const steps = yield* interruptEverywhere({
          setup: Effect.suspend(() => {
            nursery = new Nursery({ create: Effect.yieldNow })
            return build(nursery, { ...options, shutdown: { destroy: "1 second" } })
          }).pipe(Effect.tap(() => settled)),
          run: (herd) => herd.runNow(Effect.yieldNow),
          invariant: (herd) =>
            Effect.gen(function* () {
              yield* settled
              const { resources, tasks, workers } = yield* herd.stats
              assert.deepStrictEqual([workers.busy, tasks.running, resources.temporary], [0, 0, 0])
              yield* herd.kill
              assert.strictEqual(nursery.alive, 0)
            })
        })
        assert.isAbove(steps, 3)
      }).pipe(virtual)
    )
  }

  it.effect("a resize that comes at any step of a creation or a replacement loses no resource", () =>
    forEverySeed(1000, (seed) =>
      Effect.gen(function* () {
        const nursery = new Nursery({ create: Effect.yieldNow })
        const herd = yield* build(nursery, {
          workers: { max: 2 },
          checkHealth: () => false,
          maxRequeues: 0,
          shutdown: { destroy: "1 second" }
        })
        yield* fork(Effect.exit(herd.run(Effect.fail("lost"))))
        yield* Effect.repeat(Effect.yieldNow, { times: seed % 30 })
        yield* herd.resize(0)
        // In virtual time the next instant comes when there is nothing left to do in this one.
        yield* Effect.sleep(1)
        assert.strictEqual(nursery.alive, 0)
        const { resources } = yield* herd.stats
        assert.strictEqual(resources.alive, 0)
      }).pipe(Effect.scoped, Effect.provideService(Session, { id: 0 }))
    )
  )

  it.effect("an onDestroy is not called for a task that still uses the resource", () =>
    Effect.gen(function* () {
      const nursery = new Nursery()
      const herd = yield* build(nursery, { workers: { max: 1 } })
      const gate = yield* Deferred.make<void>()
      const running = yield* fork(herd.run(Effect.ensuring(myId, Deferred.await(gate))))

      yield* herd.resize(0)
      yield* settled
      assert.strictEqual(nursery.alive, 1)
      assert.strictEqual((yield* herd.stats).workers.stopping, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* settled

      assert.strictEqual(yield* Fiber.join(running), 1)
      assert.strictEqual(nursery.alive, 0)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )
})
