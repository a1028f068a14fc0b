import { Effect } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import { Herd, type HerdClosed, type RateLimited, type TaskShed } from "../../src/index.ts"

class Waiting extends Herd.Service<Waiting>()("types/Waiting", { limits: "wait" }) {}
class Refusing extends Herd.Service<Refusing>()("types/Refusing", { limits: "reject" }) {}
class Longest extends Herd.Service<Longest>()("types/Longest", { overflow: "dropLongest" }) {}

describe("errors of flow control", () => {
  it("are in the type only where the declaration makes them possible", () => {
    expectTypeOf(Waiting.run(Effect.succeed(1))).toEqualTypeOf<Effect.Effect<number, HerdClosed, Waiting>>()
    expectTypeOf(Refusing.run(Effect.succeed(1))).toEqualTypeOf<
      Effect.Effect<number, HerdClosed | RateLimited, Refusing>
    >()
    expectTypeOf(Longest.run(Effect.succeed(1))).toEqualTypeOf<
      Effect.Effect<number, HerdClosed | TaskShed, Longest>
    >()
  })

  it("do not come with options that a layer takes", () => {
    Waiting.layer({
      queue: { order: "fair", cost: "time" },
      limits: {
        weight: 100,
        rate: [{ limit: 50, per: "1 second", burst: 10 }],
        perKey: { concurrency: (key) => (key === "a" ? 4 : undefined), share: 2, rate: { limit: 1, per: 1 } },
        hold: (error: { readonly retryAfter?: number }) => error.retryAfter
      },
      overload: { after: "5 seconds", order: "newestFirst" },
      retryBudget: { ratio: 0.2 }
    })
    // @ts-expect-error: a word for the order
    Waiting.layer({ queue: { order: "random" } })
    // @ts-expect-error: a criticality is one of three
    void Waiting.run(Effect.void, { criticality: "vital" })
  })
})
