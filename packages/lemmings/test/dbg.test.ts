import { it } from "@effect/vitest"
import { Effect } from "effect"
import { fork, settled, start } from "./promises/support.ts"
it.effect("dbg", () => Effect.gen(function* () {
  const herd = yield* start({ workers: { max: 1 }, hooks: { onTaskStart: () => Effect.never } })
  console.log("started")
  yield* herd.run(Effect.void)
  console.log("ran")
  const f = yield* fork(herd.stop())
  yield* settled
  console.log("stop", f.pollUnsafe(), (yield* herd.stats).state)
}), 3000)
