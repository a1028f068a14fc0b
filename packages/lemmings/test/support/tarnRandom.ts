/** A pool to which everything happens at once, as tarn tests it, for many seeds. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, References, Stream } from "effect"
import type { ResourcePool } from "../../src/index.ts"
import { forEverySeed } from "../../src/testing/index.ts"
import { type Connection, fork } from "./connections.ts"
import { chance, Ledger, oneOf, outcome, suffer, upTo, weather } from "./hazards.ts"

type Pool = ResourcePool.ResourcePool<Connection>

/** Does to the pool what its operator may do, all the time. */
const meddle = (pool: Pool, ledger: Ledger) =>
  Effect.gen(function* () {
    for (let n = 0; n < 12; n++) {
      yield* Effect.sleep(yield* upTo(80))
      const what = yield* oneOf("evict", "invalidate", "resize", "bounds", "pause")
      if (what === "evict") yield* pool.evictAll()
      else if (what === "invalidate") {
        const { open } = ledger.server
        const one = open[yield* upTo(open.length)]
        if (one !== undefined) yield* ledger.condemn(one)
      } else if (what === "resize") yield* pool.resize((yield* chance(0.5)) ? "auto" : yield* upTo(4))
      else if (what === "bounds") {
        const max = 1 + (yield* upTo(7))
        yield* ledger.widen(max)
        yield* pool.setBounds({ min: yield* upTo(max), max })
      } else {
        yield* pool.pause
        yield* Effect.sleep(yield* upTo(60))
        yield* pool.resume
      }
      yield* ledger.check
    }
    // A size that is out of the bounds by now, or a pool that closes meanwhile, is refused.
  }).pipe(Effect.catchTags({ InvalidConfig: () => Effect.void, PoolClosed: () => Effect.void }))

const patient = 10_000
/** How a borrower may fare. Everything else is a mistake of the pool. */
const known = [
  "served",
  "left",
  "bad luck",
  "worse luck",
  "interrupted",
  "AcquireTimeout",
  "PoolClosed",
  "QueueFull"
]

/** One pool from its start to its end, whatever happens to it meanwhile. Returns what happened, with numbers. */
const life = Effect.gen(function* () {
  const given = yield* weather
  const ledger = new Ledger(given)
  const seen = { served: 0, left: 0, forsaken: 0 }
  let settled = 0
  const stats = yield* Effect.gen(function* () {
    const pool = yield* ledger.open
    yield* Effect.forkScoped(
      Stream.runForEach(pool.events, () => ledger.check),
      { startImmediately: true }
    )
    const borrower = Effect.gen(function* () {
      yield* Effect.sleep(yield* upTo(500))
      const work = suffer(given.task)
      const how = yield* oneOf("acquire", "use", "use", "stubborn use")
      const options = {
        priority: yield* oneOf("low", "normal", "high"),
        acquireTimeout: yield* oneOf(undefined, undefined, 0, 30)
      }
      const borrowed =
        how === "acquire"
          ? Effect.scoped(Effect.flatMap(pool.acquire(options), ledger.work(how, work)))
          : pool.use(ledger.work(how, work), options)
      const patience = (yield* chance(given.leaves)) ? yield* upTo(100) : patient
      const exit = yield* Effect.exit(Effect.timeoutOption(borrowed, patience))
      const left = exit._tag === "Success" && exit.value._tag === "None"
      assert.isFalse(left && patience === patient, "every borrower settles")
      const fared = left ? "left" : outcome(exit)
      assert.isTrue(known.includes(fared), fared)
      if (fared === "served" || fared === "left") seen[fared]++
      if (fared === "PoolClosed") seen.forsaken++
      settled++
      yield* ledger.check
    })
    const meddling = yield* fork(given.meddled ? meddle(pool, ledger) : Effect.void)
    const early = Effect.andThen(Effect.flatMap(upTo(600), Effect.sleep), pool.close())
    const closing = yield* fork(given.closesEarly ? early : Effect.void)
    yield* Effect.replicateEffect(borrower, given.borrowers, { concurrency: "unbounded", discard: true })
    yield* Fiber.join(meddling)
    yield* Fiber.join(closing)
    const rest = yield* pool.stats
    assert.deepStrictEqual([rest.active, rest.waiting], [0, 0], "nobody borrows any more")
    yield* Effect.sleep(yield* upTo(300))
    yield* pool.close()
    const final = yield* pool.stats
    assert.include(final, { state: "closed", total: 0, idle: 0, active: 0, starting: 0, alive: 0 })
    assert.strictEqual(final.created, final.destroyed, "what was created is destroyed")
    return final
  }).pipe(Effect.scoped)
  assert.strictEqual(settled, given.borrowers)
  // Those that the pool left behind close when they can.
  yield* Effect.sleep(1_000)
  assert.deepStrictEqual(ledger.server.openIds, [], "nothing is left open")
  yield* ledger.check
  return { ...stats, ...seen }
}).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

/** Lives the life of a pool once for each of `count` seeds. */
export const tarnRandom = (count: number) =>
  Effect.gen(function* () {
    const happened = {
      served: 0,
      left: 0,
      forsaken: 0,
      timeouts: 0,
      invalid: 0,
      createFailures: 0,
      destroyFailures: 0,
      leaked: 0
    }
    const seeds = yield* forEverySeed(count, () =>
      Effect.map(life, (stats) => {
        for (const name of Object.keys(happened) as Array<keyof typeof happened>)
          happened[name] += stats[name]
      })
    )
    assert.strictEqual(seeds, count)
    // A test in which nothing goes wrong, or nothing goes right, would show nothing.
    for (const [name, times] of Object.entries(happened)) assert.isAbove(times, (count * 5) / 16, name)
  })
