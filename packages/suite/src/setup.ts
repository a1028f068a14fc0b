/** What a run of the tests has before its first test: somebody who makes what they share, when one asks for it. */
import { postgres } from "@lemmings/servers"
import { Effect, Exit, Scope } from "effect"
import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type Thing, variable } from "./shared.ts"

const template = fileURLToPath(new URL("template.ts", import.meta.url))

const makers: { readonly [K in Thing]: Effect.Effect<string, unknown, Scope.Scope> } = {
  // Hundreds of short connections, of several files at a time; and nobody needs their data after the run.
  postgres: Effect.map(postgres({ durable: false, settings: { max_connections: "300" } }), ({ url }) => url),
  embedded: Effect.gen(function* () {
    const root = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "lemmings-suite-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    const path = join(root, "data")
    yield* Effect.promise(() => promisify(execFile)(process.execPath, [template, path]))
    return path
  })
}

/** Called once for each project of the run: the first does it for all of them. */
export const setup = async (): Promise<(() => Promise<void>) | undefined> => {
  if (process.env[variable] !== undefined) return undefined
  process.env[variable] = ""
  const scope = Scope.makeUnsafe()
  const made = new Map<string, Promise<string>>()
  // Every user of the machine reaches the port, and the address of the server has its password in it.
  const word = randomUUID()
  const make = (thing: Thing) => {
    const before = made.get(thing)
    if (before !== undefined) return before
    const now = Effect.runPromise(Scope.provide(makers[thing], scope))
    made.set(thing, now)
    return now
  }
  const answer = async (socket: Socket) => {
    const [said, thing = ""] = (await text(socket)).split(" ")
    if (said !== word || !Object.hasOwn(makers, thing)) return socket.destroy()
    return socket.end(await make(thing as Thing))
  }
  const answering = createServer({ allowHalfOpen: true }, (socket) => {
    answer(socket).catch((cause: unknown) => {
      console.error("What the tests share could not be made:", cause)
      socket.destroy()
    })
  }).listen(0, "127.0.0.1")
  await once(answering, "listening")
  process.env[variable] = `${(answering.address() as AddressInfo).port} ${word}`
  return async () => {
    answering.close()
    await Promise.allSettled(made.values())
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
