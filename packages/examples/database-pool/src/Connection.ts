/** A connection to SQLite, and the two ways in which a query fails. */
import { Cause, Context, Effect, Option, Schema } from "effect"
import { DatabaseSync } from "node:sqlite"

/** The connection is gone. No query on it will ever succeed. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  cause: Schema.Defect()
}) {}

/** The database answered, and the answer is no. The connection is as good as before. */
export class QueryFailed extends Schema.TaggedError<QueryFailed>()("QueryFailed", {
  sql: Schema.String,
  cause: Schema.Defect()
}) {}

/** What each worker owns. */
export class Connection extends Context.Service<
  Connection,
  {
    /** Returns the first column of the first row. */
    readonly query: (
      sql: string,
      ...parameters: ReadonlyArray<number>
    ) => Effect.Effect<unknown, ConnectionLost | QueryFailed>
    readonly close: Effect.Effect<void>
  }
>()("database-pool/Connection") {}

/** Opens a connection. `onOpen` sees what is below it, and may break it. */
export const connect = (file: string, onOpen: (database: DatabaseSync) => void) =>
  Effect.try({
    try: () => {
      const database = new DatabaseSync(file, { timeout: 1_000 })
      onOpen(database)
      return Connection.of({
        query: (sql, ...parameters) =>
          Effect.try({
            try: () => Object.values(database.prepare(sql).get(...parameters) ?? {})[0],
            catch: (cause) =>
              isClosed(cause) ? new ConnectionLost({ cause }) : new QueryFailed({ sql, cause })
          }),
        // Closing a closed one throws, and there is nothing to close then.
        close: Effect.sync(() => {
          if (database.isOpen) database.close()
        })
      })
    },
    catch: (cause) => new ConnectionLost({ cause })
  })

const isClosed = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && cause.code === "ERR_INVALID_STATE"

/** Whether the worker that a task failed on can take another. */
export const isHealthy = (cause: Cause.Cause<unknown>): boolean =>
  !Option.exists(Cause.findErrorOption(cause), (error) => error instanceof ConnectionLost)
