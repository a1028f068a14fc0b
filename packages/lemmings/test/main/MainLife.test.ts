import { assert, describe, it } from "@effect/vitest"
import { Cause, Exit, Runtime, Schema } from "effect"
import * as MainLife from "../../src/internal/MainLife.ts"

const { initial, next } = MainLife

const signal: MainLife.Input = { _tag: "Signal", signal: "SIGTERM" }
const interrupt: MainLife.Input = { _tag: "Signal", signal: "SIGINT" }
const seen: MainLife.Input = { _tag: "HerdSeen" }
const closed: MainLife.Input = { _tag: "HerdClosed" }
const delayOver: MainLife.Input = { _tag: "DelayOver" }
const mainEnded: MainLife.Input = { _tag: "MainEnded" }
const overdue: MainLife.Input = { _tag: "Overdue" }

/** Every step that some inputs lead to, and where they end. */
const play = (...inputs: ReadonlyArray<MainLife.Input>) => {
  let state = initial
  const steps: Array<MainLife.Step> = []
  for (const input of inputs) {
    const [after, more] = next(state, input)
    state = after
    steps.push(...more)
  }
  return { state, steps }
}

const phases: ReadonlyArray<MainLife.Phase> = [
  "running",
  "leaving",
  "draining",
  "interrupting",
  "closing",
  "over"
]
const exits: ReadonlyArray<MainLife.Step> = ["leave", "giveUp", "quit"]

describe("MainLife.next", () => {
  const table: ReadonlyArray<
    readonly [fact: string, inputs: ReadonlyArray<MainLife.Input>, steps: ReadonlyArray<MainLife.Step>]
  > = [
    ["a program that ends by itself leaves", [mainEnded], ["leave"]],
    [
      "one signal drains, reports, interrupts and leaves",
      [signal, seen, delayOver, closed, mainEnded],
      ["announce", "delay", "stop", "report", "interrupt", "report", "leave"]
    ],
    [
      "without herds the program is interrupted after the delay",
      [signal, delayOver],
      ["announce", "delay", "stop", "report", "interrupt"]
    ],
    ["a second signal skips the delay", [signal, seen, signal, delayOver], ["announce", "delay", "kill"]],
    [
      "a second signal without herds interrupts the program at once",
      [signal, signal],
      ["announce", "delay", "kill", "report", "interrupt"]
    ],
    [
      "a second signal while the program closes changes nothing",
      [signal, delayOver, signal],
      ["announce", "delay", "stop", "report", "interrupt"]
    ],
    ["a third signal quits", [signal, seen, signal, interrupt], ["announce", "delay", "kill", "quit"]],
    [
      "the last herd to close decides",
      [signal, seen, seen, delayOver, closed],
      ["announce", "delay", "stop"]
    ],
    [
      "a herd that comes while others drain is stopped",
      [signal, seen, delayOver, seen],
      ["announce", "delay", "stop", "stop"]
    ],
    [
      "a herd that comes while others are interrupted is interrupted",
      [signal, seen, signal, seen],
      ["announce", "delay", "kill", "kill"]
    ],
    [
      "a herd that comes while the program closes holds up the exit",
      [signal, delayOver, seen, mainEnded],
      ["announce", "delay", "stop", "report", "interrupt", "stop"]
    ],
    [
      "a program that ends during the delay ends the delay",
      [signal, seen, mainEnded, closed],
      ["announce", "delay", "stop", "report", "leave"]
    ],
    [
      "a program that ends while its herds drain leaves when they are closed, and is not interrupted",
      [signal, seen, delayOver, mainEnded, closed],
      ["announce", "delay", "stop", "report", "leave"]
    ],
    [
      "a program that does not end is given up",
      [signal, delayOver, overdue, mainEnded],
      ["announce", "delay", "stop", "report", "interrupt", "giveUp"]
    ]
  ]
  for (const [fact, inputs, steps] of table) {
    it(fact, () => assert.deepStrictEqual(play(...inputs).steps, steps))
  }

  const inputs = Schema.Array(
    Schema.Literals(["SIGTERM", "SIGINT", "DelayOver", "HerdSeen", "HerdClosed", "MainEnded", "Overdue"])
  )
  /** Leaves out what cannot happen: a herd closes that is not open, the program ends twice, a herd is seen too early. */
  const walk = (words: typeof inputs.Type) => {
    const path: Array<{ input: MainLife.Input; before: MainLife.State; after: MainLife.State }> = []
    const steps: Array<MainLife.Step> = []
    let state = initial
    for (const word of words) {
      if (word === "HerdClosed" && (state.open === 0 || state.phase === "leaving")) continue
      if (word === "HerdSeen" && state.phase === "running") continue
      if (word === "MainEnded" && state.ended) continue
      const input: MainLife.Input =
        word === "SIGTERM" || word === "SIGINT" ? { _tag: "Signal", signal: word } : { _tag: word }
      const [after, more] = next(state, input)
      path.push({ input, before: state, after })
      steps.push(...more)
      state = after
    }
    return { path, state, steps }
  }

  it.prop(
    "never goes back, and exits exactly once, at the very end, for every course",
    { inputs },
    (given) => {
      const { path, state, steps } = walk(given.inputs)

      for (const { after, before } of path) {
        assert.isAtLeast(phases.indexOf(after.phase), phases.indexOf(before.phase))
      }
      const count = steps.filter((step) => exits.includes(step)).length
      assert.strictEqual(count, state.phase === "over" ? 1 : 0)
      if (count === 1) assert.include(exits, steps.at(-1))
    }
  )

  it.prop("the third signal exits, whatever came before", { inputs }, (given) => {
    const { state } = walk([...given.inputs, "SIGTERM", "SIGTERM", "SIGTERM"])

    assert.strictEqual(state.phase, "over")
  })

  it.prop("leaves only when every herd is closed and the program has ended", { inputs }, (given) => {
    for (const { after, before, input } of walk(given.inputs).path) {
      if (!next(before, input)[1].includes("leave")) continue
      assert.strictEqual(after.open, 0)
      assert.isTrue(after.ended)
    }
  })

  it.prop("ends by itself once told, whatever came before", { inputs }, (given) => {
    const { state } = walk(given.inputs)
    const open = Array.from({ length: state.open }, () => "HerdClosed" as const)

    assert.strictEqual(
      walk([...given.inputs, "SIGTERM", "DelayOver", ...open, "MainEnded"]).state.phase,
      "over"
    )
  })

  it.prop("the program is interrupted only after every herd is closed", { inputs }, (given) => {
    for (const { after, before, input } of walk(given.inputs).path) {
      if (next(before, input)[1].includes("interrupt")) assert.strictEqual(after.open, 0)
    }
  })
})

describe("MainLife.exitCode", () => {
  class Coded extends Error {
    override readonly [Runtime.errorExitCode]: number
    constructor(code: number) {
      super("coded")
      this[Runtime.errorExitCode] = code
    }
  }
  const isClosed = (error: unknown) => error === "closed"
  const mixed = Exit.failCause(Cause.combine(Cause.fail("closed"), Cause.die("boom")))
  const table: ReadonlyArray<
    readonly [
      fact: string,
      exit: Exit.Exit<unknown, unknown>,
      signal: MainLife.Signal | undefined,
      lost: number,
      code: number
    ]
  > = [
    ["success is 0", Exit.void, undefined, 0, 0],
    ["failure is 1", Exit.fail("no"), undefined, 0, 1],
    ["a failure with a code is that", Exit.fail(new Coded(7)), undefined, 0, 7],
    ["interruption without a signal is 130", Exit.interrupt(1), undefined, 0, 130],
    ["a closed herd without a signal is a failure", Exit.fail("closed"), undefined, 0, 1],
    ["drained and interrupted is 0", Exit.interrupt(1), "SIGTERM", 0, 0],
    ["drained and ended is 0", Exit.void, "SIGTERM", 0, 0],
    ["drained, and the program failed because of it, is 0", Exit.fail("closed"), "SIGTERM", 0, 0],
    ["a closed herd as a defect is none", Exit.die("closed"), "SIGTERM", 0, 0],
    ["SIGTERM with losses is 143", Exit.interrupt(1), "SIGTERM", 1, 143],
    ["SIGINT with losses is 130", Exit.void, "SIGINT", 3, 130],
    ["a failure of its own counts more than losses", Exit.fail("no"), "SIGTERM", 3, 1],
    ["a failure with a code while stopping is that", Exit.fail(new Coded(7)), "SIGINT", 0, 7],
    ["a failure that calls itself 0 hides no losses", Exit.fail(new Coded(0)), "SIGINT", 1, 130],
    ["a defect beside a closed herd is a failure", mixed, "SIGTERM", 0, 1]
  ]
  for (const [fact, exit, signal, lost, code] of table) {
    it(fact, () => assert.strictEqual(MainLife.exitCode(exit, { signal, lost, isClosed }), code))
  }
})
