// One process of the fleet, until its parent is gone: `DATABASE_URL=… node src/member.ts <name> <workers> [port]`. With a port
// it has the dashboard.
import { NodeRuntime } from "@effect/platform-node"
import { Control } from "@lemmings/control"
import { Jobs } from "@lemmings/durable"
import { Context, Effect, Layer, References } from "effect"
import { HttpServer } from "effect/http"
import { making, Thumbnails, type Told } from "./Thumbnails.ts"

const [name = "", workers = "1", port] = process.argv.slice(2)
// Not an argument: those every user of the machine can read, and it has a password.
const url = process.env["DATABASE_URL"] ?? ""

/** The parent may be gone before this process has begun. */
const orphaned = Effect.callback<void>((resume) => {
  if (!process.connected) return resume(Effect.void)
  process.once("disconnect", () => resume(Effect.void))
})

const tell = (told: Told) => {
  if (process.connected) process.send?.(told)
}

const work = making(name, tell).pipe(
  Layer.provideMerge(Jobs.layerPostgres({ url })),
  Layer.provideMerge(Thumbnails.layer({ workers: { min: 1, max: Number(workers) } }))
)

const dashboard = Effect.gen(function* () {
  if (port === undefined) return undefined
  const control = yield* Layer.build(Control.layer({ port: Number(port) }))
  return HttpServer.formatAddress(Context.get(control, HttpServer.HttpServer).address)
})

const program = Effect.gen(function* () {
  tell({ _tag: "Ready", dashboard: yield* dashboard })
  return yield* Effect.never
}).pipe(Effect.scoped)

// It ends what it has begun, which takes milliseconds here, and gives back the rest.
NodeRuntime.runMain(
  program.pipe(
    Effect.provide(work),
    // Also while the store is still being opened.
    Effect.raceFirst(orphaned),
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )
)
