/** How the processes of the tests ask for what the run of the tests makes once for all of them. */
import { Effect } from "effect"
import { once } from "node:events"
import { connect } from "node:net"
import { text } from "node:stream/consumers"

/** Where `setup.ts` tells whom to ask: a port of this machine, and the word that it wants to hear. */
export const variable = "LEMMINGS_SUITE"

/** What there is: the address of a PostgreSQL, and a directory with an empty PGlite database. */
export type Thing = "postgres" | "embedded"

/** Where it is. It is made when somebody asks first. */
export const ask = (thing: Thing): Effect.Effect<string> =>
  Effect.promise(async () => {
    const [port, word = ""] = (process.env[variable] ?? "").split(" ")
    const socket = connect(Number(port), "127.0.0.1")
    await once(socket, "connect")
    socket.end(`${word} ${thing}`)
    const where = await text(socket)
    if (where === "") throw new Error(`the run of the tests could not make its ${thing}, and says why`)
    return where
  })
