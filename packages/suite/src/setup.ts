/** What a run of the tests has before its first test: somebody who starts the server that they share, when one asks for it. */
import { postgres } from "@lemmings/servers"
import { Effect, Exit, Scope } from "effect"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { variable } from "./postgres.ts"

// Hundreds of short connections, of several files at a time; and nobody needs their data after the run.
const start = postgres({ durable: false, settings: { max_connections: "300" } })

/** Called once for each project of the run: the first does it for all of them. */
export const setup = async (): Promise<(() => Promise<void>) | undefined> => {
  if (process.env[variable] !== undefined) return undefined
  process.env[variable] = ""
  const scope = Scope.makeUnsafe()
  let url: Promise<string> | undefined
  const answering = createServer((socket) => {
    url ??= Effect.runPromise(Effect.map(Scope.provide(start, scope), (server) => server.url))
    url.then(
      (found) => socket.end(found),
      (error: unknown) => socket.destroy(error instanceof Error ? error : undefined)
    )
  }).listen(0, "127.0.0.1")
  await once(answering, "listening")
  process.env[variable] = String((answering.address() as AddressInfo).port)
  return async () => {
    answering.close()
    await url?.catch(() => {})
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
