// Processes with herds of processes: `life.ts drain|spin|hang|loop|nested|once|inspect MARK`. MARK is an argument of every child.
import { Effect } from "effect"
import { HerdMain } from "lemmings"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all } from "./tasks.ts"
import { Hang } from "./nested.tasks.ts"

const [, , what, mark = ""] = process.argv
const worker = (name: string) => new URL(`./${name}.worker.ts`, import.meta.url)
const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

class Life extends ThreadHerd.Service<Life>()("test/Life", { tasks: all, worker: worker("all") }) {}
class Loop extends ThreadHerd.Service<Loop>()("test/Loop", { tasks: all, worker: worker("loop") }) {}
class Outer extends ThreadHerd.Service<Outer>()("test/Outer", { tasks: [Hang], worker: worker("nested") }) {}
const options = { isolation: "process", argv: [mark], workers: { min: 2, max: 2 } } as const

const programs: { readonly [name: string]: () => void } = {
  drain: () =>
    HerdMain.runMain(
      Effect.gen(function* () {
        yield* Life.runAll([1, 2].map((value) => Act({ what: "sync", value })))
        const herd = yield* Life
        for (const value of [1, 2, 3, 4]) {
          const task = Effect.tap(Act({ what: "spin", millis: 250, value }), () => say(`done ${value}`))
          yield* herd.submit(task)
        }
        yield* say("busy")
        return yield* Effect.never
      }).pipe(Effect.provide(Life.layer(options)))
    ),
  spin: () =>
    HerdMain.runMain(
      Effect.gen(function* () {
        const herd = yield* Life
        for (let i = 0; i < 2; i++) yield* herd.submit(Act({ what: "spin", millis: 20_000 }))
        while ((yield* herd.stats).tasks.running < 2) yield* Effect.sleep("5 millis")
        yield* say("busy")
        return yield* Effect.never
      }).pipe(Effect.provide(Life.layer(options)))
    ),
  hang: () => {
    const hang = Effect.andThen(Life.run(Act({ what: "sync" })), Life.run(Act({ what: "spin" })))
    void Effect.runPromise(Effect.provide(hang, Life.layer(options)))
  },
  loop: () => {
    void Effect.runPromise(Effect.provide(Loop.run(Act({ what: "sync" })), Loop.layer(options)))
  },
  nested: () => {
    const told = Effect.callback<void>((resume) => {
      process.once("SIGUSR2", () => resume(Effect.void))
    })
    const hang = Effect.gen(function* () {
      yield* Effect.raceFirst(Outer.run(Hang({ mark })), told)
      yield* say("interrupted")
      return yield* Effect.never
    })
    void Effect.runPromise(Effect.provide(hang, Outer.layer({ workers: { max: 1 } })))
  },
  once: () => {
    const settings = Effect.tap(Life.run(Act({ what: "settings" })), (seen) => say(JSON.stringify(seen)))
    void Effect.runPromise(Effect.provide(settings, Life.layer({ ...options, workers: { max: 1 } })))
  },
  inspect: () => {
    const look = Effect.andThen(Life.run(Act({ what: "sync" })), () =>
      Effect.tap(Life.threads, ([one]) => say(`inspector ${one?.inspector}`))
    )
    void Effect.runPromise(Effect.provide(look, Life.layer({ ...options, workers: { max: 1 } })))
  }
}

programs[what ?? process.env["LIFE"] ?? ""]?.()
