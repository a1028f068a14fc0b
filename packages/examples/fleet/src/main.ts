// Three processes of different sizes work on one queue, and one of them has a dashboard: `node src/main.ts`.
import { NodeRuntime } from "@effect/platform-node"
import { Jobs } from "@lemmings/durable"
import { argumentsOf, fitted } from "@lemmings/examples-usage"
import { postgres } from "@lemmings/servers"
import { Config, Console, Data, Deferred, Effect, Option, References } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Thumbnail, type Told } from "./Thumbnails.ts"

argumentsOf(`node src/main.ts

Three processes of different sizes work on one queue, and one of them has a dashboard. Ctrl+C ends.
DATABASE_URL: a PostgreSQL, instead of one that is started. PORT: of the dashboard, 2112.`)

const members = [
  { name: "north", workers: 2 },
  { name: "east", workers: 4 },
  { name: "south", workers: 8 }
]
const pictures = 700

const path = fileURLToPath(new URL("member.ts", import.meta.url))

class MemberEnded extends Data.TaggedError("MemberEnded")<{ readonly name: string; readonly code: number }> {
  override get message() {
    return `The process ${this.name} ended with ${this.code}.`
  }
}

/** A process of the fleet, when it is there, until the scope closes. Returns where its dashboard is, if it has one. */
const member = Effect.fnUntraced(function* (
  url: string,
  args: ReadonlyArray<string>,
  made: (name: string) => void
) {
  const ready = yield* Deferred.make<string | undefined, MemberEnded>()
  const [name = ""] = args
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      // In a process group of its own, so that Ctrl+C reaches it through us alone.
      const child = fork(path, args, { detached: true, env: { ...process.env, DATABASE_URL: url } })
      child.on("message", (told: Told) => {
        if (told._tag === "Made") made(told.name)
        else Deferred.doneUnsafe(ready, Effect.succeed(told.dashboard))
      })
      child.once("exit", (code) =>
        Deferred.doneUnsafe(ready, Effect.fail(new MemberEnded({ name, code: code ?? 1 })))
      )
      return child
    }),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, "exit")
        if (child.connected) child.disconnect()
        // Nobody waits for one that does not end.
        const kill = setTimeout(() => child.kill("SIGKILL"), 5_000)
        await ended
        clearTimeout(kill)
      })
  )
  return yield* Deferred.await(ready)
})

const program = Effect.gen(function* () {
  const given = yield* Config.option(Config.String("DATABASE_URL"))
  const database = Option.isSome(given) ? "" : "a PostgreSQL and "
  yield* Console.log(fitted(`Starting ${database}three processes, which takes a few seconds.`))
  const url = Option.isSome(given) ? given.value : (yield* postgres()).url
  const port = yield* Config.Int("PORT").pipe(Config.withDefault(2112))

  const made = new Map<string, number>()
  const count = (name: string) => made.set(name, (made.get(name) ?? 0) + 1)
  const [dashboard] = yield* Effect.forEach(
    members,
    ({ name, workers }, index) =>
      member(url, [name, String(workers), ...(index === 0 ? [String(port)] : [])], count),
    { concurrency: "unbounded" }
  )
  yield* Console.log(
    fitted(`
${members.map(({ name, workers }) => `${name} has up to ${workers} workers`).join(", ")}.
The dashboard of ${members[0]?.name} is at ${dashboard}. Ctrl+C ends.
`)
  )

  const wave = Effect.gen(function* () {
    made.clear()
    const ids = yield* Jobs.enqueue(
      Array.from({ length: pictures }, (_, n) => Thumbnail({ picture: `${n}.jpg` }))
    )
    yield* Effect.forEach(ids, (id) => Jobs.await(Thumbnail, id), { concurrency: 64, discard: true })
    const shares = members.map(({ name }) => `${name} ${made.get(name) ?? 0}`)
    yield* Console.log(`${pictures} pictures: ${shares.join(", ")}`)
    yield* Effect.sleep("5 seconds")
  })
  // This process enqueues, and works on nothing.
  return yield* Effect.provide(Effect.forever(wave), Jobs.layerPostgres({ url }))
}).pipe(Effect.scoped)

// Stores and herds log what they do, which is for another time.
NodeRuntime.runMain(Effect.provideService(program, References.MinimumLogLevel, "Warn"))
