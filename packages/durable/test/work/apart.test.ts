import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Job from "../../src/Job.ts"
import * as Jobs from "../../src/Jobs.ts"
import { JobStore } from "../../src/port/JobStore.ts"

const [A, B] = ["Apart-a", "Apart-b"].map((name) => Job.make(name, { payload: Schema.Int, attempts: 3 })) as [
  Job.Job<string, number, void, never>,
  Job.Job<string, number, void, never>
]

/** Jobs that a process has claimed which is gone, so many times. */
const lost = (job: typeof A, payloads: ReadonlyArray<number>, times: number) =>
  Effect.gen(function* () {
    const store = yield* JobStore
    const ids = yield* Jobs.enqueue(payloads.map((n) => job(n)))
    for (let n = 0; n < times; n++) {
      yield* store.claim(job.name, payloads.length)
      yield* TestClock.adjust("16 seconds")
      yield* store.sweep(job.name)
    }
    return ids
  })

const pass = (seconds: number) =>
  Effect.gen(function* () {
    for (let n = 0; n < seconds * 10; n++) yield* TestClock.adjust("100 millis")
  })

describe("jobs that were lost again and again", () => {
  it.effect(
    "run one at a time in a process, and beside the last chance of one nothing of its queue begins",
    () => {
      const running = new Set<string>()
      const beside: Array<string> = []
      let ran = 0
      const handler =
        (queue: string) =>
        (n: number, { losses }: { readonly losses: number }) =>
          Effect.gen(function* () {
            const name = `${queue}${n}`
            beside.push([name, ...running].join(" "))
            running.add(name)
            assert.strictEqual(losses, n < 10 ? 2 : 0, name)
            yield* Effect.sleep("500 millis")
            running.delete(name)
            ran++
          })
      return Effect.gen(function* () {
        yield* lost(A, [1, 2, 3], 2)
        yield* lost(B, [1, 2], 2)
        yield* Layer.build(Layer.merge(A.toLayer(handler("a")), B.toLayer(handler("b"))))
        yield* pass(1)
        yield* Jobs.enqueue([A(10), B(10)])
        yield* pass(6)
        assert.strictEqual(ran, 7)
        const losers = (line: string) => line.split(" ").filter((name) => !name.endsWith("10"))
        assert.isTrue(
          beside.every((line) => losers(line).length <= 1),
          beside.join("; ")
        )
        // While the jobs of its queue that were lost run, a new one does not begin; that of the other queue does.
        const begun = beside.filter((line) => /^[ab]10/.test(line))
        assert.lengthOf(begun, 2)
        for (const line of begun) assert.notMatch(line, line.startsWith("a") ? / a\d\b/ : / b\d\b/)
        assert.isTrue(begun.some((line) => line.startsWith("b10 a")))
      }).pipe(Effect.provide(Jobs.layerMemory()))
    }
  )

  it.effect("are told when they are dead, each of them", () => {
    const dead: Array<string> = []
    return Effect.gen(function* () {
      const ids = yield* lost(A, [1, 2, 3], 2)
      const store = yield* JobStore
      for (const _ of ids) yield* store.claim(A.name, 1, true)
      const other = yield* lost(B, [4], 0)
      yield* Layer.build(
        Layer.merge(
          A.toLayer(() => Effect.void, { onDead: ({ id }) => Effect.sync(() => dead.push(id)) }),
          B.toLayer(() => Effect.void)
        )
      )
      yield* pass(20)
      assert.deepStrictEqual(dead.toSorted(), [...ids].toSorted())
      assert.strictEqual((yield* Jobs.inspect(B, other[0]!)).state, "completed")
    }).pipe(Effect.provide(Jobs.layerMemory()))
  })
})
