/**
 * A bad night: herds and queues with what goes wrong, beside others that are fine. For pictures and for tests in a browser.
 */
import { Context, Effect, Layer, Schedule, type Scope } from "effect"
import { Herd } from "lemmings"
import { queue } from "./queue.ts"

class Connection extends Context.Service<Connection, { readonly n: number }>()("test/Night") {}

const never = { drain: 0, interrupt: 0, destroy: 0 } as const

/** A herd of this name, with workers that own nothing. */
export const named = (name: string, options: Herd.CommonOptions<"suspend"> = {}) => {
  class Named extends Herd.Service<Named>()(name, { sheds: true }) {}
  const layer = Named.layer as unknown as (options: Herd.CommonOptions<"suspend">) => Layer.Layer<Named>
  return Effect.map(
    Layer.build(layer({ scaling: "fixed", workers: { min: 2, max: 8 }, ...options, shutdown: never })),
    Context.get(Named)
  )
}

/** A herd whose workers own something that can be made while `up` says so. */
export const owning = (name: string, up: () => boolean) => {
  class Owning extends Herd.Service<Owning>()(name, { resource: Connection }) {}
  return Effect.map(
    Layer.build(
      Owning.layer({
        workers: { min: 0, max: 8 },
        shutdown: never,
        onCreate: () =>
          up() ? Effect.succeed({ n: 1 }) : Effect.die(new Error("connect ECONNREFUSED 10.0.4.7:5432"))
      })
    ),
    Context.get(Owning)
  )
}

/** Gives a herd work until the scope closes. */
const busy = (
  name: string,
  { each = 20, every = 40, workers = 8 }: { each?: number; every?: number; workers?: number } = {}
) =>
  Effect.gen(function* () {
    const one = yield* named(name, { workers: { min: 1, max: workers } })
    yield* one
      .submit(Effect.sleep(each), { label: "work" })
      .pipe(Effect.repeat(Schedule.spaced(every)), Effect.forkScoped)
    return one
  })

/** The night, with so many herds that are fine. */
export const night = (fine: number): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const down = yield* owning("app/Payments", () => false)
    for (let n = 0; n < 30; n++) yield* down.submit(Effect.void)
    const failing = yield* named("app/Notify")
    yield* failing
      .run(Effect.die(new Error("451 mailbox unavailable: greylisted")), { label: "send", key: "tenant-7" })
      .pipe(Effect.exit, Effect.repeat(Schedule.spaced(45)), Effect.forkScoped)
    const paused = yield* named("app/Reports")
    yield* paused.pause
    for (let n = 0; n < 300; n++)
      yield* paused.submit(Effect.void, { priority: n % 3 === 0 ? "high" : "normal", label: "report" })
    const big = yield* named("app/Images", { workers: { min: 1, max: 2000 } })
    for (let n = 0; n < 500; n++) yield* big.submit(Effect.never, { label: "scale" })
    const groups = ["billing", "search", "mail", "media"]
    for (let n = 0; n < fine; n++) {
      const group = groups[n % groups.length] ?? ""
      yield* busy(`${group}/Worker${1 + Math.floor(n / groups.length)}`, { every: 40 + 15 * n })
    }
    const invoices = yield* queue("billing/SendInvoice", 300)
    for (const [i, letter] of invoices.letters.entries())
      Object.assign(letter, {
        enqueuedAt: Date.now() - 7_200_000 - i * 20_000,
        diedAt: Date.now() - 3_600_000 - i * 10_000,
        reason: i % 10 === 0 ? "timeout" : "failed",
        error: i % 10 === 0 ? "no answer in 30 s" : "Bounced: no such mailbox"
      })
    const charge = yield* queue("orders/Charge", 0)
    charge.store = "away"
    charge.since = Date.now()
    invoices.since = Date.now() - 3_600_000
    yield* queue("orders/Ship", 0)
  })
