/** What a run of the tests has before its first test: somebody who starts the server that they share, when one asks for it. */
import { postgres } from "@lemmings/servers"
import { Effect, Exit, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { text } from "node:stream/consumers"
import { variable } from "./postgres.ts"

// Hundreds of short connections, of several files at a time; and nobody needs their data after the run.
const start = postgres({ durable: false, settings: { max_connections: "300" } })

/** Called once for each project of the run: the first does it for all of them. */
export const setup = async (): Promise<(() => Promise<void>) | undefined> => {
  if (process.env[variable] !== undefined) return undefined
  process.env[variable] = ""
  const scope = Scope.makeUnsafe()
  let url: Promise<string> | undefined
  // Every user of the machine reaches the port, and the address has the password in it.
  const word = randomUUID()
  const answer = async (socket: Socket) => {
    if ((await text(socket)) !== word) return socket.destroy()
    url ??= Effect.runPromise(Effect.map(Scope.provide(start, scope), (server) => server.url))
    return socket.end(await url)
  }
  const answering = createServer({ allowHalfOpen: true }, (socket) => {
    answer(socket).catch(() => socket.destroy())
  }).listen(0, "127.0.0.1")
  await once(answering, "listening")
  process.env[variable] = `${(answering.address() as AddressInfo).port} ${word}`
  return async () => {
    answering.close()
    await url?.catch(() => {})
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
