/**
 * Four workers, each with a database connection of its own. Two connections break under their workers; every
 * query is answered all the same. Run it with `node src/main.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { argumentsOf, fitted } from "@lemmings/examples-usage"
import { Console, Effect, References, Stream } from "effect"
import { Herd } from "lemmings"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { connect, Connection, isHealthy } from "./Connection.ts"

argumentsOf(`node src/main.ts

Four workers, each with a database connection of its own, two of which break.`)

class DbHerd extends Herd.Service<DbHerd>()("database-pool/DbHerd", { resource: Connection }) {
  static readonly live = (file: string, onOpen: (database: DatabaseSync) => void) =>
    this.layer({
      onCreate: connect(file, onOpen),
      onDestroy: (connection) => connection.close,
      // A lost connection condemns the worker; a wrong query does not.
      checkHealth: isHealthy,
      workers: { min: 4, max: 4 }
    })
}

const customers = 100

/** Asks for the total of one customer. The pause lets all workers have a share. */
const totalOf = (customer: number) =>
  Effect.sleep("1 millis").pipe(
    Effect.andThen(
      Connection.use((connection) =>
        connection.query("select sum(amount) from orders where customer = ?", customer)
      )
    )
  )

const allTotals = Effect.gen(function* () {
  const tasks = Array.from({ length: customers }, (_, customer) => totalOf(customer))
  const exits = yield* DbHerd.runAll(tasks, { mode: "settle" })
  const right = exits.filter((exit, customer) => exit._tag === "Success" && exit.value === 10 * customer)
  return `${right.length} of ${customers} answered`
})

const program = Effect.gen(function* () {
  const file = yield* makeDatabase
  const connections: Array<DatabaseSync> = []

  yield* Effect.gen(function* () {
    const herd = yield* DbHerd
    yield* herd.events.pipe(
      Stream.runForEach((event) => {
        if (event._tag === "TaskRequeued") {
          return Console.log(`  worker ${event.workerId} is unhealthy, its task waits for another`)
        }
        return event._tag === "WorkerReplaced"
          ? Console.log(`  worker ${event.workerId} has a new connection`)
          : Effect.void
      }),
      Effect.forkChild({ startImmediately: true })
    )

    yield* Console.log(`First round: ${yield* allTotals}`)

    for (const connection of connections.slice(0, 2)) connection.close()
    yield* Console.log("Two connections broke:")
    yield* Console.log(`Second round: ${yield* allTotals}`)

    const wrong = yield* DbHerd.run(Connection.use((connection) => connection.query("select nothing"))).pipe(
      Effect.flip
    )
    yield* Console.log(`A wrong query fails with ${wrong._tag}, and its worker stays`)

    yield* herd.stop()
    const { resources, tasks } = yield* herd.stats
    yield* Console.log(
      fitted(
        `${tasks.requeued} tasks queued again, ${resources.created} connections opened, ` +
          `${resources.destroyed} destroyed, ${resources.leaked} leaked`
      )
    )
  }).pipe(Effect.provide(DbHerd.live(file, (database) => connections.push(database))))
}).pipe(Effect.scoped)

/** A file with ten orders of each customer, whose amounts are the customer's number. */
const makeDatabase = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "lemmings-database-pool-"))
    const file = join(folder, "orders.sqlite")
    const database = new DatabaseSync(file)
    database.exec(`
      create table orders (customer integer not null, amount integer not null);
      with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < ${customers * 10 - 1})
      insert into orders select n % ${customers}, n % ${customers} from numbers;
    `)
    database.close()
    return { folder, file }
  }),
  ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true }))
).pipe(Effect.map(({ file }) => file))

// The herd logs each change of its number of workers.
program.pipe(Effect.provideService(References.MinimumLogLevel, "Warn"), NodeRuntime.runMain)
