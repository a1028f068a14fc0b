import { describe } from "@effect/vitest"
import { rounds } from "@lemmings/suite/rounds"
import { settling } from "../support/settling.ts"

describe("promise 9: scaling settles", () => {
  settling(rounds(6, 60))
})
