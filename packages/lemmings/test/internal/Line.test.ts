import { assert, describe, it } from "@effect/vitest"
import { Layer, Effect, Exit, Fiber, Logger, References, Schema } from "effect"
import { TestClock } from "effect/testing"
import { inLine } from "../../src/internal/Line.ts"
import { Herd } from "../../src/index.ts"

const forged = "x\r\n[00:00:00.000] INFO (#1): admin logged in \u001b[2J\u202e\u2028"

describe("a text of others in a line of ours", () => {
  it("stays as it is where it only has letters and signs", () => {
    for (const text of ["", "app/Db", `q"uo'te\\`, "ünïcode ☃ 👩", "a b"])
      assert.strictEqual(inLine(text), text)
  })

  it("has nothing that ends the line, moves a cursor or changes its direction", () => {
    assert.strictEqual(
      inLine(forged),
      "x\\r\\n[00:00:00.000] INFO (#1): admin logged in \\u{1b}[2J\\u{202e}\\u{2028}"
    )
  })

  it.prop("is one line, whatever it was", { text: Schema.String }, ({ text }) => {
    assert.notMatch(inLine(text), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
  })
})

it.effect("ids, names and errors forge no line of the log, and no message of an error", () =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    class Odd extends Herd.Service<Odd>()(forged, {}) {}
    const run = Effect.gen(function* () {
      const odd = yield* Odd
      yield* Effect.forkChild(odd.run(Effect.sleep("1 minute"), { id: forged }))
      const timed = odd.run(Effect.never, { id: `${forged}2`, timeout: "10 millis" })
      const fiber = yield* Effect.forkChild(Effect.exit(timed))
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.join(fiber)
      return Exit.isFailure(exit) ? exit.cause.reasons : []
    })
    const reasons = yield* run.pipe(
      Effect.provide(
        Layer.provideMerge(Odd.layer({ workers: { min: 1, max: 2 }, leakAfter: "2 seconds" }), logger)
      ),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
    const [reason] = reasons
    const error = reason?._tag === "Fail" ? reason.error : undefined
    assert.strictEqual(error?._tag, "TaskTimeout")
    const messages = [error?.message ?? "", ...lines.map((line) => line.split("It was submitted")[0] ?? "")]
    assert.isAtLeast(messages.filter((message) => message.includes("admin logged in")).length, 3)
    for (const message of messages) assert.notMatch(message, /[\p{Cc}\p{Cf}\p{Zl}]/u)
  })
)
