import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { filesOf, onMainThread, onThreads, Shrinking } from "../src/compare.ts"
import served from "../src/shrink.worker.ts"

const paths = filesOf(fileURLToPath(new URL("../src", import.meta.url)))

it.live("both ways do the same work", () =>
  Effect.gen(function* () {
    const heard: Array<number> = []
    const main = yield* onMainThread(paths)
    const threads = yield* onThreads(paths, (done) => heard.push(done))
    assert.strictEqual(threads.files, paths.length)
    assert.strictEqual(threads.megabytes, main.megabytes)
    assert.strictEqual(heard.length, paths.length)
  }).pipe(Effect.provide(Shrinking.layer({ workers: { max: 2 } })))
)

it.live("the handlers run in a test without threads", () =>
  Effect.gen(function* () {
    const run = yield* onThreads(paths, () => {})
    assert.strictEqual(run.files, paths.length)
  }).pipe(Effect.provide(Shrinking.layerInline(served)))
)
