import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const run = (url: string | undefined) =>
  Effect.promise(async () => {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [main], {
      env: { ...process.env, DATABASE_URL: url }
    })
    assert.strictEqual(stderr, "")
    return stdout
  })

const assertStory = (story: string) => {
  const figure = (pattern: RegExp) => Number(pattern.exec(story)?.[1])
  assert.strictEqual(figure(/^enqueued +(\d+)$/m), 200)
  const killed = figure(/^killed .* (\d+) delivered$/m)
  assert.isAtLeast(killed, 80)
  assert.isBelow(killed, 200)
  assert.strictEqual(figure(/^restarted .* (\d+) jobs/m), 200)
  assert.strictEqual(figure(/^done +(\d+) /m), 200)
  assert.strictEqual(figure(/lost (\d+)$/m), 0)
  // Those of the killed process alone: eight at work, and what had ended and was not written yet.
  assert.isAtMost(figure(/^delivered +(\d+) twice/m), killed)
}

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
        for (let time = 0; time < 2; time++) {
          const story = yield* run(url)
          assert.match(story, /^A queue of e-mails in PostgreSQL/)
          assertStory(story)
        }
      }),
    120_000
  )
})
