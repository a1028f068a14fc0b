import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Schedule, Stream } from "effect"
import { Herd, HerdRegistry, Lemmings, ResourcePool, ScalingPolicy, type TaskOptions } from "lemmings"
import * as RemoteTask from "lemmings/RemoteTask"
import { AsyncLocalStorage } from "node:async_hooks"

const store = new AsyncLocalStorage<string>()
const seen = Effect.sync(() => store.getStore())
/** What a task sees before and after it has waited. */
const looks = Effect.all([seen, Effect.andThen(Effect.sleep(1), seen)])

/** Runs an effect as a request of its own does: on a fiber that starts in the request's context. */
const inStore = <A, E, R>(name: string | undefined, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.flatMap(
      Effect.promise(() => store.run(name as string, () => Effect.runPromiseExitWith(context)(effect))),
      (exit) => exit
    )
  )

const users = ["ada", "bob", undefined, "cleo", "ada"]

/** Runs what each user does, all at once, and says what each got. */
const each = <A, E, R>(act: (user: string | undefined) => Effect.Effect<A, E, R>) =>
  Effect.forEach(users, (user) => inStore(user, act(user)), { concurrency: "unbounded" })

class Thing extends Context.Service<Thing, { readonly id: number }>()("test/17/Thing") {}
class Owning extends Herd.Service<Owning>()("test/17/Owning", { resource: Thing }) {}

type Owned = Partial<Herd.ResourceOptions<Thing["Service"]>> & Herd.CommonOptions<"suspend">
const owning = (options: Owned = {}) =>
  Effect.map(
    inStore(
      "layer",
      Layer.build(Owning.layer({ onCreate: Effect.succeed({ id: 1 }), workers: { max: 1 }, ...options }))
    ),
    Context.get(Owning)
  )
const plain = Effect.map(
  inStore("layer", Layer.build(Lemmings.layer({ workers: { max: 1 } }))),
  Context.get(Lemmings)
)

describe("promise 17: a task belongs to its submitter", () => {
  const ways: Record<
    string,
    (herd: Lemmings["Service"]) => Effect.Effect<ReadonlyArray<string | undefined>, unknown>
  > = {
    run: (herd) => herd.run(looks),
    submit: (herd) => Effect.flatMap(herd.submit(looks), ({ join }) => join),
    offer: (herd) => Effect.flatMap(herd.offer(looks), ({ join }) => join),
    runNow: (herd) => herd.runNow(looks),
    runAll: (herd) => Effect.map(herd.runAll([looks, looks, looks]), (all) => all.flat()),
    "runAll of a record": (herd) =>
      Effect.map(herd.runAll({ a: looks, b: looks }), ({ a, b }) => [...a, ...b]),
    "runAll with timeouts": (herd) =>
      Effect.map(herd.runAll([looks, looks], { timeout: "1 minute" }), (all) => all.flat()),
    stream: (herd) =>
      herd
        .stream(Stream.make(1, 2, 3), () => looks)
        .pipe(
          Stream.mapEffect(({ result }) => result),
          Stream.runCollect,
          Effect.map((all) => all.flat())
        ),
    "stream in order": (herd) =>
      herd
        .stream(Stream.make(1, 2, 3), () => looks, { ordered: true, concurrency: 3 })
        .pipe(
          Stream.mapEffect(({ result }) => result),
          Stream.runCollect,
          Effect.map((all) => all.flat())
        )
  }
  for (const [name, way] of Object.entries(ways)) {
    it.live(`a task of ${name} sees the store of its submitter, whoever's end has started it`, () =>
      Effect.gen(function* () {
        const herd = yield* plain
        const got = yield* each(() => way(herd))

        assert.deepStrictEqual(
          got.map((all) => Array.from(new Set(all))),
          users.map((user) => [user])
        )
      })
    )
  }

  it.live("runAll goes on in its caller's context in a later turn of the event loop", () =>
    Effect.gen(function* () {
      const herd = yield* plain
      const slow = Effect.sync(() => {
        const until = performance.now() + 0.2
        while (performance.now() < until);
        return store.getStore()
      })
      const got = yield* inStore("ada", herd.runAll(Array.from({ length: 300 }, () => slow)))

      assert.deepStrictEqual(Array.from(new Set(got)), ["ada"])
    })
  )

  it.live("tasks of one fiber each see the store that was entered when they were submitted", () =>
    Effect.gen(function* () {
      const herd = yield* plain
      const got = yield* inStore(
        "outer",
        Effect.gen(function* () {
          const handles = []
          for (const user of ["ada", "bob", "cleo"]) {
            store.enterWith(user)
            handles.push(yield* herd.submit(looks))
          }
          return yield* Effect.forEach(handles, ({ join }) => join)
        })
      )

      assert.deepStrictEqual(got, [
        ["ada", "ada"],
        ["bob", "bob"],
        ["cleo", "cleo"]
      ])
    })
  )

  it.live("every attempt of a task that is retried sees it, also when one of them has entered another", () =>
    Effect.gen(function* () {
      const herd = yield* plain
      const got = yield* each(() => {
        let attempts = 0
        const all: Array<string | undefined> = []
        const attempt = Effect.suspend(() => {
          all.push(store.getStore())
          store.enterWith("polluted")
          return Effect.andThen(Effect.sleep(1), ++attempts < 3 ? Effect.fail("again") : Effect.succeed(all))
        })
        return herd.run(attempt, {
          retry: Schedule.spaced(3),
          while: () => {
            all.push(store.getStore())
            return true
          }
        })
      })

      assert.deepStrictEqual(
        got,
        users.map((user) => Array.from({ length: 5 }, () => user))
      )
    })
  )

  it.live("a task that is queued again for its worker's health sees it", () =>
    Effect.gen(function* () {
      const herd = yield* owning({ checkHealth: () => false })
      const got = yield* each(() => {
        const all: Array<string | undefined> = []
        return herd.run(
          Effect.suspend(() => {
            all.push(store.getStore())
            store.enterWith("polluted")
            return Effect.andThen(Effect.sleep(1), all.length < 3 ? Effect.fail("ill") : Effect.succeed(all))
          })
        )
      })

      assert.deepStrictEqual(
        got,
        users.map((user) => [user, user, user])
      )
    })
  )

  it.live("tasks that share a worker, and middleware, see it", () =>
    Effect.gen(function* () {
      const asked: Array<string | undefined> = []
      const herd = yield* owning({
        hasRoom: () => asked.push(store.getStore()) > 0,
        middleware: [(task) => Effect.flatMap(seen, (outside) => Effect.as(task, outside) as typeof task)]
      })
      const got = yield* each(() => herd.run(Effect.andThen(Effect.sleep(2), Effect.succeed("inner"))))

      assert.deepStrictEqual(got, users as typeof got)
      assert.deepStrictEqual(Array.from(new Set(asked)), ["layer"])
    })
  )

  it.live("a task that happens elsewhere starts in it, and again after it was taken back", () =>
    Effect.gen(function* () {
      const starts: Array<string | undefined> = []
      const herd = yield* owning()
      const remote = () => {
        let first = true
        const start: RemoteTask.Start = (_, __, end) => {
          starts.push(store.getStore())
          const exit = first ? Exit.fail("again") : Exit.succeed(store.getStore())
          first = false
          // The answer comes in the context of nobody.
          store.exit(() => setTimeout(() => end(exit), 1))
          return Effect.void
        }
        return Object.assign(Effect.fail("elsewhere") as Effect.Effect<string | undefined, string>, {
          [RemoteTask.start]: start
        })
      }
      const options: TaskOptions<string> = { retry: Schedule.spaced(1) }
      const got = yield* each(() => herd.run(remote(), options))

      assert.deepStrictEqual(got, users)
      assert.strictEqual(starts.filter((user) => user === "ada").length, 4)
    })
  )

  class Db extends ResourcePool.Service<Db, { readonly id: number }>()("test/17/Db") {}
  it.live("use and acquire of a pool see the store of the borrower", () =>
    Effect.gen(function* () {
      const pool = Context.get(
        yield* inStore("layer", Layer.build(Db.layer({ onCreate: Effect.succeed({ id: 1 }), size: 1 }))),
        Db
      )
      const used = yield* each(() => pool.use(() => looks))
      const acquired = yield* each(() => Effect.scoped(Effect.andThen(pool.acquire(), looks)))

      assert.deepStrictEqual(
        used,
        users.map((user) => [user, user])
      )
      assert.deepStrictEqual(acquired, used)
    })
  )
})

describe("promise 17: what a herd does of its own happens in the context of its layer", () => {
  it.live("resources, hooks, policies, health and logs", () =>
    Effect.gen(function* () {
      const places = new Map<string, Set<string | undefined>>()
      const note = (place: string) => {
        const set = places.get(place) ?? new Set()
        places.set(place, set.add(store.getStore()))
      }
      const noted = (place: string) => Effect.sync(() => note(place))
      const policy = ScalingPolicy.instant()
      const scope = yield* inStore(
        "layer",
        Effect.gen(function* () {
          let made = 0
          const herd = yield* Layer.build(
            Owning.layer({
              onCreate: Effect.andThen(
                Effect.sleep(1),
                Effect.suspend(() => {
                  note("onCreate")
                  return Effect.succeed({ id: ++made })
                })
              ),
              onDestroy: () => Effect.andThen(Effect.sleep(1), noted("onDestroy")),
              ready: () => noted("ready"),
              validate: () => Effect.as(noted("validate"), true),
              validateAfter: 0,
              onInterrupt: () => noted("onInterrupt"),
              recycleWhen: ({ id }) => {
                note("recycleWhen")
                return id % 2 === 0
              },
              awaitLost: () => Effect.andThen(noted("awaitLost"), Effect.never),
              checkHealth: () => {
                note("checkHealth")
                return false
              },
              maxRequeues: 0,
              spares: 1,
              hooks: {
                onTaskStart: () => noted("onTaskStart"),
                onTaskComplete: () => noted("onTaskComplete"),
                onTaskError: () => noted("onTaskError"),
                onWorkerStart: () => noted("onWorkerStart"),
                onWorkerStop: () => noted("onWorkerStop")
              },
              scaling: {
                ...policy,
                decide: (sample, state) => {
                  note("policy")
                  return policy.decide(sample, state)
                }
              },
              workers: { min: 0, max: 3 },
              scalingInterval: 5
            }).pipe(Layer.provide(Logger.layer([Logger.make(() => note("log"))])))
          )
          return herd
        })
      ).pipe(
        Effect.map(Context.get(Owning)),
        Effect.flatMap((herd) =>
          Effect.gen(function* () {
            yield* each((user) =>
              Effect.gen(function* () {
                yield* herd.run(looks)
                yield* Effect.exit(herd.run(Effect.fail("ill")))
                yield* Effect.timeoutOption(herd.run(Effect.never), 2)
                yield* Effect.all([herd.runNow(looks), herd.runNow(looks), herd.runNow(looks)], {
                  concurrency: "unbounded"
                })
                if (user === "cleo") yield* herd.evictAll()
              })
            )
            yield* inStore("bob", herd.stop({ drain: 100 }))
          })
        ),
        Effect.scoped,
        Effect.exit
      )

      assert.isTrue(Exit.isSuccess(scope))
      assert.deepStrictEqual(
        Object.fromEntries([...places].map(([place, stores]) => [place, [...stores]])),
        Object.fromEntries([...places.keys()].map((place) => [place, ["layer"]]))
      )
      assert.sameMembers(
        [...places.keys()],
        [
          "onCreate",
          "onDestroy",
          "ready",
          "validate",
          "onInterrupt",
          "recycleWhen",
          "awaitLost",
          "checkHealth",
          "onTaskStart",
          "onTaskComplete",
          "onTaskError",
          "onWorkerStart",
          "onWorkerStop",
          "policy",
          "log"
        ]
      )
    })
  )

  it.live("a listener is called in the context in which it began to listen", () =>
    Effect.gen(function* () {
      const herds = HerdRegistry.make()
      const herd = Context.get(
        yield* inStore("layer", Layer.build(Lemmings.layer({ workers: { max: 1 } }))).pipe(
          Effect.provideService(HerdRegistry.HerdRegistry, herds)
        ),
        Lemmings
      )
      const [managed] = herds.herds().values()
      const heard = new Set<string | undefined>()
      if (managed !== undefined)
        yield* inStore(
          "listener",
          managed.listen(() => void heard.add(store.getStore()))
        )
      yield* each(() => herd.run(looks))

      assert.deepStrictEqual([...heard], ["listener"])
    })
  )
})
