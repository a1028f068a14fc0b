import { Effect, Layer, Schedule } from "effect"
import { Herd, HerdMain } from "lemmings"
import { appendFileSync } from "node:fs"
import * as Jobs from "../../src/Jobs.ts"
import { lease, type Orders, Work } from "./work.ts"

/** A process that works, until SIGTERM: `node worker.ts <orders as JSON>`. */
const orders: Orders = JSON.parse(process.argv[2] ?? "")

// A line is in the file when the call returns, so that SIGKILL takes none back.
const note = (what: string, n: number, attempt = 0) =>
  Effect.sync(() =>
    appendFileSync(orders.journal, `${what} ${n} ${performance.timeOrigin + performance.now()} ${attempt}\n`)
  )

class Workers extends Herd.Service<Workers>()("chaos/Workers") {}

const handled = Work.toLayer(
  (n, { attempt }) =>
    note("began", n, attempt).pipe(
      Effect.andThen(Effect.sleep(n % 50 === 0 ? (orders.longMillis ?? orders.millis) : orders.millis)),
      Effect.andThen(note("ended", n, attempt))
    ),
  { herd: Workers, ...(orders.drainMillis === undefined ? {} : { drain: orders.drainMillis }) }
)

const leased = orders.longLease === true ? {} : { lease }
const store =
  "url" in orders.store
    ? Jobs.layerPostgres({ url: orders.store.url, ...leased })
    : Jobs.layerEmbedded({ directory: orders.store.directory, ...leased })

// Says how many workers there are whenever that has changed.
const watch = Effect.gen(function* () {
  const herd = yield* Workers
  let last = -1
  const look = Effect.gen(function* () {
    const { size } = (yield* herd.stats).workers
    if (size !== last) yield* note("workers", size)
    last = size
  })
  yield* Effect.repeat(look, Schedule.spaced("20 millis"))
})

// Noted when the call has returned: these are the acknowledged ones.
const enqueuing = Effect.gen(function* () {
  for (let n = orders.enqueueFrom ?? 0; ; n += 10) {
    yield* Jobs.enqueue(Array.from({ length: 10 }, (_, i) => Work(n + i)))
    for (let i = 0; i < 10; i++) yield* note("stored", n + i)
  }
})

const program = Effect.gen(function* () {
  yield* Effect.forkScoped(watch)
  if (orders.enqueueFrom !== undefined) yield* Effect.forkScoped(enqueuing)
  return yield* Effect.never
}).pipe(Effect.scoped)

const live = handled.pipe(
  Layer.provideMerge(store),
  Layer.provideMerge(
    Workers.layer({
      workers: { min: 1, max: orders.workers },
      idleTimeToLive: "300 millis",
      ...(orders.drainMillis === undefined ? {} : { shutdown: { drain: orders.drainMillis } })
    })
  )
)

HerdMain.runMain(Effect.provide(program, live))
