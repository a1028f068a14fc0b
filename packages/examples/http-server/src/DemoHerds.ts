// Herds of different characters and work for them, so that a dashboard has something to show.
import { Context, Data, Effect, Layer, Random, Schedule } from "effect"
import { Herd } from "lemmings"

class Connection extends Context.Service<Connection, { readonly name: string }>()("demo/Connection") {}

class ConnectionReset extends Data.TaggedError("ConnectionReset") {
  override readonly message = "connection reset by peer"
}

/** Workers own a connection that takes time to open; queries fail now and then. */
class Database extends Herd.Service<Database>()("demo/Database", { resource: Connection }) {
  static readonly live = this.layer({
    onCreate: ({ workerId }) =>
      Effect.delay(Effect.succeed({ name: `connection ${workerId}` }), "200 millis"),
    workers: { min: 2, max: 32 }
  })
}

/** Much to do for a moment, then nothing. */
class Reports extends Herd.Service<Reports>()("demo/Reports") {
  static readonly live = this.layer({ workers: { min: 1, max: 12 } })
}

/** Bounded and slow: it drops what is least important. */
class Mail extends Herd.Service<Mail>()("demo/Mail", { overflow: "dropLowest" }) {
  static readonly live = this.layer({ workers: { min: 1, max: 4 }, queue: { capacity: 200 } })
}

export const herds = Layer.mergeAll(Database.live, Reports.live, Mail.live)

const query = Effect.gen(function* () {
  yield* Connection
  yield* Effect.sleep(50 + 300 * (yield* Random.next))
  if ((yield* Random.next) < 0.03) return yield* new ConnectionReset()
})

const levels = ["low", "normal", "normal", "high", "critical"] as const

/** Up and down once in a minute. */
const queries = (n: number): Effect.Effect<void, unknown, Database> =>
  Database.submit(query, {
    label: n % 4 === 0 ? "report" : "query",
    key: `tenant-${n % 7}`,
    priority: levels[n % levels.length],
    retry: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 }))
  }).pipe(
    Effect.andThen(Effect.sleep(35 + 28 * Math.sin(n / 180))),
    Effect.andThen(Effect.suspend(() => queries(n + 1)))
  )

const reports = Reports.runAll(
  Array.from({ length: 120 }, () => Effect.sleep("300 millis")),
  { label: "nightly" }
).pipe(Effect.andThen(Effect.sleep("20 seconds")), Effect.forever)

const mails = Mail.submit(Effect.sleep("900 millis"), { label: "mail", priority: "low" }).pipe(
  Effect.andThen(Effect.sleep("250 millis")),
  Effect.forever
)

/** Goes on until the herds close, and lets each finish what it has. */
export const load = Effect.all([Effect.ignore(queries(0)), Effect.ignore(reports), Effect.ignore(mails)], {
  concurrency: "unbounded",
  discard: true
})
