/** What a worker owns: a connection to the server, or in virtual time something that takes as long. */
import { Cause, Context, Effect, Option, Schema, type Scope } from "effect"
import { connect as connectTo, type Socket } from "node:net"
import { greeting, handshakeMillis } from "./Server.ts"

/** The connection is gone. No question on it will be answered. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  message: Schema.String
}) {}

export class Connection extends Context.Service<
  Connection,
  {
    /** Asks a question that takes the server so many milliseconds. */
    readonly ask: (millis: number) => Effect.Effect<void, ConnectionLost>
  }
>()("burst/Connection") {}

/** Connects, and waits to be greeted. Hangs up when the scope closes. */
export const connect = (port: number): Effect.Effect<Connection["Service"], ConnectionLost, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connectTo(port, "127.0.0.1").setEncoding("utf8")),
      (socket) => Effect.sync(() => socket.destroy())
    )
    yield* receive(socket, greeting)
    return Connection.of({
      ask: (millis) =>
        Effect.suspend(() => {
          socket.write(`${millis}\n`)
          return receive(socket, "done\n")
        }).pipe(
          // The answer still comes, and would be taken for that to the next question.
          Effect.onInterrupt(() => Effect.sync(() => socket.destroy()))
        )
    })
  })

const receive = (socket: Socket, expected: string) =>
  Effect.callback<void, ConnectionLost>((resume) => {
    const end = (message?: string) => {
      leave()
      resume(message === undefined ? Effect.void : new ConnectionLost({ message }))
    }
    const onData = (text: string) => end(text === expected ? undefined : `Expected ${expected}, got ${text}`)
    const onError = (error: Error) => end(error.message)
    const onClose = () => end("The connection is closed")
    const leave = () => socket.off("data", onData).off("error", onError).off("close", onClose)
    if (socket.destroyed) return onClose()
    socket.on("data", onData).on("error", onError).on("close", onClose)
    return Effect.sync(leave)
  })

/** The same without a network, for virtual time, which does not see sockets. */
export const pretend: Effect.Effect<Connection["Service"]> = Effect.delay(
  Effect.succeed(Connection.of({ ask: (millis) => Effect.sleep(millis) })),
  handshakeMillis
)

/** Whether the worker that a task failed on can take another. */
export const isHealthy = (cause: Cause.Cause<unknown>): boolean =>
  !Option.exists(Cause.findErrorOption(cause), (error) => error instanceof ConnectionLost)
