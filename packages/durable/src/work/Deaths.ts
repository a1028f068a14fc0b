/** Tells that jobs have failed for good, once it is stored. */
import { Cause, type Context, Effect } from "effect"
import * as Fibers from "lemmings/internal/Fibers"
import type { AnyJob } from "../job/JobDefinition.ts"
import { FailureReason } from "../port/JobError.ts"
import type { Failure, Settlement, Store } from "../port/JobStore.ts"
import { describe } from "../port/Json.ts"
import * as JobEvents from "./JobEvents.ts"

/** The deaths of one queue that this process has stored. */
export class Deaths {
  readonly tally = Object.fromEntries(FailureReason.literals.map((reason) => [reason, 0])) as {
    [reason in FailureReason]: number
  }
  /** Attempts of jobs whose end is being written. */
  readonly #coming = new Map<string, number>()
  readonly #store: Store
  readonly #job: AnyJob
  readonly #context: Context.Context<never>
  readonly #hook: (died: JobEvents.JobDied) => Effect.Effect<unknown, unknown>

  constructor(
    store: Store,
    job: AnyJob,
    context: Context.Context<never>,
    hook: ((died: JobEvents.JobDied) => Effect.Effect<unknown, unknown>) | undefined
  ) {
    this.#store = store
    this.#job = job
    this.#context = context
    this.#hook = hook ?? (() => Effect.void)
  }

  /** The job is to be discarded. */
  coming(id: string, attempts: number) {
    this.#coming.set(id, attempts)
  }

  /** The batch is stored, but for what was `lost`. */
  written(batch: ReadonlyArray<Settlement>, lost: ReadonlyArray<string>) {
    for (const one of batch) {
      if (one._tag !== "Discard") continue
      const attempts = this.#coming.get(one.id) ?? 0
      this.#coming.delete(one.id)
      if (!lost.includes(one.id)) this.died(one.id, attempts, one.failure)
    }
  }

  /** It is stored that the job has failed for good. */
  died(id: string, attempts: number, failure: Failure) {
    this.tally[failure.reason]++
    const { name: queue, settings } = this.#job
    const { deadLetter } = settings.spec
    const died: JobEvents.JobDied = { _tag: "JobDied", queue, id, attempts, failure, deadLetter }
    const became = deadLetter ? "is a dead letter" : "has failed for good"
    const times = `after ${attempts} attempt(s) (${failure.reason})`
    // As JSON: what a job says forges no line of the log.
    const line = Effect.logWarning(
      `Job ${id} of "${queue}" ${became} ${times}: ${JSON.stringify(failure.message)}`
    )
    const hook = Effect.catchCause(
      Effect.suspend(() => this.#hook(died)),
      (cause) => Effect.logWarning(`"onDead" of "${queue}" failed: ${describe(Cause.squash(cause))}`)
    )
    Fibers.start(this.#context, Effect.andThen(line, hook))
    JobEvents.tell(this.#store, died)
  }
}
