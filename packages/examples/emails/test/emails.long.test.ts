import { describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { assertStory, run } from "./story.ts"

describe("emails, one run after another on one PostgreSQL", () => {
  // it.live: the processes are real ones.
  it.live.skipIf(missing.postgres)("each knows its own e-mails from those of the runs before", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      for (let time = 0; time < 3; time++) assertStory(yield* run(url))
    })
  )
})
