/** A server on this machine that is slow to greet, as one with TLS, a password and a session to set up is. */
import { Effect, type Scope } from "effect"
import { type AddressInfo, createServer, type Socket } from "node:net"

/** From the connection to the greeting. */
export const handshakeMillis = 150

/** What it sends first. */
export const greeting = "ready\n"

/** Answers each line, a number of milliseconds, after so long. Returns its port; it ends with the scope. */
export const listen: Effect.Effect<number, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer(serve)
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
    })
).pipe(Effect.map((server) => (server.address() as AddressInfo).port))

const serve = (socket: Socket): void => {
  const send = (text: string) => {
    if (socket.writable) socket.write(text)
  }
  // A client that leaves without a word is no news.
  socket.on("error", () => socket.destroy())
  setTimeout(send, handshakeMillis, greeting)
  // A client waits for its answer before it asks again, so a line never comes in parts that matter here.
  socket.on("data", (line) => setTimeout(send, Number(line.toString()), "done\n"))
}
