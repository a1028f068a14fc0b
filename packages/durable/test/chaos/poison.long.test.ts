import { it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { poisoned } from "../support/PoisonSuite.ts"
import { isPoison } from "./poisoned.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

// One that kills, and others of both queues, more than run at one time.
it.live.skipIf(missing.postgres)("a job that kills takes none of two queues of its process with it", () =>
  poisoned(
    numbers(24),
    numbers(24).filter((n) => !isPoison(n))
  )
)
