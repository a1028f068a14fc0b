// Sends e-mails from a queue, kills the process that does it in the middle, starts it again, and counts.
import { NodeRuntime } from "@effect/platform-node"
import { argumentsOf, fitted } from "@lemmings/examples-usage"
import { Clock, Console, Data, Effect, Random } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { lease, type Told } from "./SendEmail.ts"

argumentsOf(`node src/main.ts

Sends e-mails from a queue, kills the process that does it, starts it again, and counts.
DATABASE_URL: a PostgreSQL to keep the queue in, instead of a directory of this machine.`)

const emails = 200
const killedAt = 80

const worker = fileURLToPath(new URL("worker.ts", import.meta.url))

class WorkerFailed extends Data.TaggedError("WorkerFailed")<{ readonly code: number | null }> {
  override get message() {
    return `The worker ended with ${this.code} before it was done.`
  }
}

/** A worker from its start to its end: whether it was killed, which it is when `heard` says so. */
const work = (args: ReadonlyArray<string>, heard: (told: Told) => boolean) =>
  Effect.callback<boolean, WorkerFailed>((resume) => {
    const child: ChildProcess = fork(worker, args)
    child.on("message", (told: Told) => {
      if (heard(told)) child.kill("SIGKILL")
    })
    child.once("close", (code, signal) =>
      resume(
        code === 0 || signal === "SIGKILL"
          ? Effect.succeed(signal === "SIGKILL")
          : Effect.fail(new WorkerFailed({ code }))
      )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const program = Effect.gen(function* () {
  const run = `run ${yield* Random.nextIntBetween(1, 1_000_000_000)}`
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "emails-"))),
    (made) => Effect.sync(() => rmSync(made, { recursive: true }))
  )
  const jobs = new Set<string>()
  /** What the mail server got, by the e-mail's id, and how often. A receiver that counts can throw the second one away. */
  const got = new Map<string, number>()
  const hear = (told: Told, enqueued: () => void) => {
    if (told._tag === "Email") got.set(told.id, (got.get(told.id) ?? 0) + 1)
    else {
      for (const id of told.ids) jobs.add(id)
      enqueued()
    }
  }
  const time = yield* Clock.Clock
  const clock = () => time.currentTimeMillisUnsafe()
  /** Seconds since then, in words. */
  const since = (start: number) => `${((clock() - start) / 1000).toFixed(1)} s`
  /** How often each e-mail of this run was got: the first may come before their ids do, and others' after them. */
  const ours = () => [...got].flatMap(([id, times]) => (jobs.has(id) ? [times] : []))

  const say = (text: string) => Console.log(fitted(text))
  yield* say(
    process.env["DATABASE_URL"] === undefined
      ? "A queue of e-mails in a directory of this machine (DATABASE_URL: in PostgreSQL)"
      : "A queue of e-mails in PostgreSQL"
  )
  yield* say("starting   the first process opens the queue, which takes a few seconds")
  const args = [run, String(emails), directory]
  const started = clock()
  yield* work(args, (told) => {
    hear(told, () => console.log(`enqueued   ${jobs.size}, ${since(started)} after the start`))
    return ours().length >= killedAt
  })
  yield* say(`killed     kill -9, with ${ours().length} delivered`)
  yield* say(`starting   another process; what the killed one had at work is free after ${lease}`)
  const again = clock()
  let restarted = again
  yield* work(args, (told) => {
    hear(told, () => {
      restarted = clock()
      console.log(
        fitted(
          `restarted  the same enqueued again, ${since(again)} after the start: ${jobs.size} jobs, by their keys`
        )
      )
    })
    return false
  })
  const delivered = ours().length
  const twice = ours().filter((times) => times > 1).length
  yield* say(`done       ${delivered} in another ${since(restarted)}, lost ${jobs.size - delivered}`)
  yield* say(
    `delivered  ${twice} twice: sent, and not yet written down when the process was killed.\n` +
      `           The receiver knows an e-mail by the id of its job, and threw the second one away.`
  )
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
