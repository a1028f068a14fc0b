// A program: a million tasks through one herd, then prints heap figures in bytes and what the herd counted.
import { Effect } from "effect"

import { Lemmings } from "../../src/index.ts"

const heap = Effect.sync(() => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
})

const program = Effect.gen(function* () {
  const herd = yield* Lemmings
  const round = Effect.gen(function* () {
    const handles = []
    for (let i = 0; i < 5000; i++) handles.push(yield* herd.submit(Effect.succeed(i), { priority: i % 7 }))
    for (let i = 0; i < 4000; i++) yield* herd.run(Effect.promise(() => Promise.resolve(i)))
    yield* herd.runAll(Array.from({ length: 1000 }, (_, i) => Effect.succeed(i)))
    for (const handle of handles) yield* handle.await
  })
  // The first rounds fill the buckets of the window and warm up the compiler.
  for (let i = 0; i < 20; i++) yield* round
  const before = yield* heap
  for (let i = 0; i < 80; i++) yield* round
  const after = yield* heap
  const { tasks } = yield* herd.stats
  return { before, after, submitted: tasks.submitted, succeeded: tasks.succeeded }
})

const figures = await Effect.runPromise(Effect.provide(program, Lemmings.layer()))
console.log(JSON.stringify(figures))
