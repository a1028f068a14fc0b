/** A herd of every kind does what its model does, step for step. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { virtual } from "lemmings/testing"
import { drive, type Setup } from "./drive.ts"

const setups: ReadonlyArray<readonly [name: string, setup: Setup]> = [
  [
    "without a resource",
    { resource: false, faults: false, capacity: "unbounded", overflow: "suspend", ageing: 5000 }
  ],
  [
    "in strict order",
    { resource: false, faults: false, capacity: "unbounded", overflow: "suspend", ageing: "never" }
  ],
  [
    "whose resources fail",
    { resource: true, faults: true, capacity: "unbounded", overflow: "suspend", ageing: 500 }
  ],
  ["that suspends", { resource: true, faults: false, capacity: 3, overflow: "suspend", ageing: "never" }],
  [
    "that suspends without room",
    { resource: false, faults: false, capacity: 0, overflow: "suspend", ageing: 100 }
  ],
  ["that rejects", { resource: true, faults: true, capacity: 2, overflow: "reject", ageing: 1000 }],
  [
    "that drops the oldest",
    { resource: false, faults: false, capacity: 4, overflow: "dropOldest", ageing: 1000 }
  ],
  [
    "that drops the lowest",
    { resource: true, faults: true, capacity: 3, overflow: "dropLowest", ageing: "never" }
  ]
]

const length = 200

// A seed that has once shown a mistake stays here.
const corpus: ReadonlyArray<number> = [97, 4711]

/** Compares each step of each run: 200 steps for each seed and each of 16 kinds of herd, but for those after the herd has closed. */
export const modelSuite = (seeds: number) =>
  describe("a herd against its model", () => {
    const cases = setups.flatMap(([name, setup]) => [
      [`a herd ${name}`, setup] as const,
      [`an elastic herd ${name}`, { ...setup, elastic: true }] as const
    ])
    for (const [name, setup] of cases) {
      it.effect(`${name} does what its model does`, () =>
        Effect.gen(function* () {
          let steps = 0
          for (const seed of [...corpus, ...Array.from({ length: seeds }, (_, i) => i + 1)]) {
            steps += yield* virtual(Effect.scoped(drive(setup, seed, length)))
          }
          assert.isAbove(steps, seeds * length * 0.8)
        })
      )
    }
  })
