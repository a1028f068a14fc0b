/** What the rows of pg-boss say about jobs, and the other way round. */
import type { JobWithMetadata } from "pg-boss"
import type {
  ClaimedJob,
  DeadLetter,
  Failure,
  JobRecord,
  JobState,
  NewJob,
  Settlement
} from "../port/JobStore.ts"

/** What the rows of jobs say beside the columns of pg-boss. */
export interface Stored {
  readonly p: unknown
  readonly t?: string
  readonly k?: number
  /** The group of the jobs of a schedule. Those of a job are a column. */
  readonly g?: string
  readonly r?: number
  readonly l?: number
  readonly w?: 1
}

/** How a new job is said to the database. */
export interface Inserted {
  readonly id: string
  readonly data: Stored
  readonly priority: number
  /** Most attempts after the first. */
  readonly retries: number
  /** Milliseconds from now. */
  readonly delay: number | undefined
  /** Epoch milliseconds, instead of `delay`. */
  readonly at: number | undefined
  readonly group: string | undefined
  /** Its place among those that are said together. */
  readonly n: number
  /** When it was accepted, in epoch microseconds, where only one process says so. Defaults to the clock of the database. */
  readonly c: number | undefined
}

/** How a settlement is said to the database. */
export interface Said {
  /** Complete, retry, discard (failed), release. */
  readonly k: "c" | "r" | "f" | "x"
  /** Output. */
  readonly o?: unknown
  /** Delay in milliseconds. */
  readonly d?: number
}

/** The priority that `data` does not say. */
export const normal = 5

/** A row that was claimed. */
export interface Claimed {
  readonly id: string
  readonly data: Stored | null
  readonly retryCount: number
  readonly retryLimit: number
}

const states: { readonly [state in JobWithMetadata["state"]]: JobState } = {
  created: "waiting",
  retry: "waiting",
  active: "running",
  completed: "completed",
  cancelled: "cancelled",
  failed: "failed"
}

/** What is in `data` of a new job. */
export const stored = ({
  payload,
  priority,
  trace,
  watched
}: Pick<NewJob, "payload" | "priority" | "trace" | "watched">): Stored => ({
  p: payload,
  ...(trace === undefined ? {} : { t: trace }),
  ...(priority === normal ? {} : { k: priority }),
  ...(watched === true ? { w: 1 } : {})
})

export const insertOf = (job: NewJob, n: number, accepted?: number): Inserted => ({
  n,
  c: accepted,
  id: job.id,
  data: stored(job),
  priority: job.priority,
  retries: job.attempts - 1,
  delay: job.delayMillis,
  at: job.at,
  group: job.group
})

export const saidOf = (settlement: Settlement): Said => {
  switch (settlement._tag) {
    case "Complete":
      return settlement.result === undefined ? { k: "c" } : { k: "c", o: { s: settlement.result } }
    case "Retry":
      return { k: "r", o: settlement.failure, d: settlement.delayMillis }
    case "Discard":
      return { k: "f", o: settlement.failure }
    case "Release":
      return { k: "x" }
  }
}

/** As the database counts it, which see. */
const countOf = (data: Stored | null, field: "r" | "l"): number => {
  const count: unknown = data?.[field]
  return Number.isInteger(count) && Number(count) >= 0 && Number(count) < 1_000_000 ? Number(count) : 0
}

export const claimedOf = ({ data, id, retryCount, retryLimit }: Claimed): ClaimedJob => {
  // Anybody may have written the row.
  const { k: priority, p: payload, t: trace } = data ?? {}
  const released = countOf(data, "r")
  return {
    id,
    claim: retryCount,
    attempt: retryCount + 1 - released,
    attempts: retryLimit + 1 - released,
    losses: countOf(data, "l"),
    payload,
    priority: typeof priority === "number" ? priority : normal,
    trace: typeof trace === "string" ? trace : undefined
  }
}

const failureOf = (output: unknown): Failure | undefined => {
  if (typeof output !== "object" || output === null || !("reason" in output)) return undefined
  return output as Failure
}

export const recordOf = (job: JobWithMetadata<Stored | null>): JobRecord => {
  const state = states[job.state]
  const output: unknown = job.output
  return {
    id: job.id,
    queue: job.name,
    state,
    attempts: job.startedOn === null ? 0 : job.retryCount + 1 - countOf(job.data, "r"),
    priority: job.priority,
    payload: job.data?.p,
    createdAt: job.createdOn.getTime(),
    startAt: job.startAfter.getTime(),
    endedAt: job.completedOn?.getTime(),
    result: state === "completed" && output !== null ? Reflect.get(Object(output), "s") : undefined,
    failure: failureOf(output)
  }
}

/** What is read of a dead letter. */
export type LetterRow = Pick<
  JobWithMetadata<Stored | null>,
  | "id"
  | "name"
  | "data"
  | "createdOn"
  | "sourceName"
  | "sourceId"
  | "sourceCreatedOn"
  | "sourceRetryCount"
  | "sourceOutput"
>

/** The dead letter that a waiting job of the dead queue is. */
export const letterOf = (job: LetterRow): DeadLetter => ({
  id: job.id,
  jobId: job.sourceId ?? job.id,
  queue: job.sourceName ?? job.name,
  payload: job.data?.p,
  failure: failureOf(job.sourceOutput) ?? { reason: "defect", message: JSON.stringify(job.sourceOutput) },
  attempts: (job.sourceRetryCount ?? 0) + 1,
  enqueuedAt: (job.sourceCreatedOn ?? job.createdOn).getTime(),
  diedAt: job.createdOn.getTime()
})

/** Anything else is the id of nothing, and PostgreSQL refuses to look for it. */
export const isId = (id: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)
