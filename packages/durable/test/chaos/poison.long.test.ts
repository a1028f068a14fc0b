import { it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { poisoned } from "../support/PoisonSuite.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

it.live.skipIf(missing.postgres)(
  "jobs that kill, in two queues of one process, take no other with them",
  () => poisoned(numbers(30), numbers(30))
)
