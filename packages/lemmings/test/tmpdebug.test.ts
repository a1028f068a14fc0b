import { it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { interruptEverywhere, virtual } from "lemmings/testing"
import { open, whole } from "./support/world.ts"
it.effect("debug", () => virtual(Effect.gen(function* () {
  const log: Array<string> = []
  yield* interruptEverywhere({
    setup: Effect.gen(function* () { log.length = 0; const w = yield* open();
      yield* Effect.forkChild(Stream.runForEach(w.herd.events, (e) => Effect.sync(() => log.push(JSON.stringify(e)))), { startImmediately: true })
      return w }),
    run: ({ herd, work }) => {
      let attempts = 0
      const flaky = Effect.andThen(work, Effect.suspend(() => (++attempts < 3 ? Effect.fail("again") : Effect.void)))
      return Effect.onExit(herd.run(flaky, { retry: Schedule.spaced("1 second") }), (exit) => Effect.sync(() => log.push("exit " + exit._tag)))
    },
    invariant: (w, step) => Effect.onError(Effect.sleep("1 minute").pipe(Effect.andThen(w.herd.stats), Effect.tap((s) => Effect.sync(() => log.push(JSON.stringify(s)))),Effect.andThen(whole(w))), () => Effect.sync(() => console.log(step + log.join("\n"))))
  })
}), { limit: "365 days" }))
