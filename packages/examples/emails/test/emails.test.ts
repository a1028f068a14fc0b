import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { assertStory, run } from "./story.ts"

// it.live throughout: the processes are real ones.
describe("emails", () => {
  it.live(
    "a killed worker loses no e-mail of a queue in a directory",
    () =>
      Effect.gen(function* () {
        const story = yield* run(undefined)
        assert.match(story, /^A queue of e-mails in a directory/)
        assertStory(story)
      }),
    120_000
  )

  it.live.skipIf(missing.postgres)(
    "nor of a queue in PostgreSQL",
    () =>
      Effect.gen(function* () {
        const { url } = yield* database
        const story = yield* run(url)
        assert.match(story, /^A queue of e-mails in PostgreSQL/)
        assertStory(story)
      }),
    120_000
  )
})
