// Crawls four hosts of a real server on this machine: `node src/main.ts`. Each host has limits of its own.
import { NodeRuntime } from "@effect/platform-node"
import { argumentsOf } from "@lemmings/examples-usage"
import { Console, Effect, References, Schedule } from "effect"
import logUpdate from "log-update"
import { Crawler, page, type Seen } from "./Crawler.ts"
import { hosts, open } from "./Site.ts"
import { live, summary } from "./View.ts"

argumentsOf(`node src/main.ts

Crawls 125 pages of four hosts on this machine: at most four
requests of a host at a time, twenty a second, and none
while a host says 429. Shows each host, and at the end how
near the limit of each host it ran.`)

const program = Effect.gen(function* () {
  const site = yield* Effect.acquireRelease(Effect.promise(open), ({ close }) => Effect.promise(close))
  const seen: Seen = { done: new Map(), refused: new Map(), begun: new Map() }
  const herd = yield* Crawler

  const draw = Effect.map(Effect.orDie(herd.keys()), (keys) => {
    if (process.stdout.isTTY) logUpdate(live(hosts, seen, keys))
  })
  yield* Effect.forkScoped(Effect.repeat(draw, Schedule.spaced("100 millis")))

  const pages = hosts.flatMap(({ name, pages }) =>
    Array.from({ length: pages }, (_, index) => ({ host: name, url: `${site.url}/${name}/${index}` }))
  )
  yield* Effect.forEach(pages, ({ host, url }) => page(url, host, seen), {
    concurrency: "unbounded",
    discard: true
  })

  yield* draw
  if (process.stdout.isTTY) logUpdate.done()
  yield* Console.log(summary(hosts, seen, site))
})

program.pipe(
  Effect.scoped,
  Effect.provide(Crawler.live),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
