import { it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { poisoned } from "../support/PoisonSuite.ts"

it.live.skipIf(missing.postgres)(
  "a job that kills its process is set apart after its attempts, and those that were beside it come to their end",
  // Three processes, one after another, and a lease of a second of each.
  () => poisoned([0, 1, 3], [0]),
  60_000
)
