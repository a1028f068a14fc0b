import { Schema } from "effect"
import * as Job from "../../src/Job.ts"

/** The job of the chaos tests: its number is its identity. A process that dies uses an attempt, and many do. */
export const Work = Job.make("Chaos", { payload: Schema.Int, attempts: 100 })

/** The lease of the tests that wait for one, in milliseconds. The documented limit of redelivery is 4/3 of it. */
export const lease = 3000

/** What a worker process is to do. Times are milliseconds. */
export interface Orders {
  /** Where the jobs are: a server, or a directory. */
  readonly store: { readonly url: string } | { readonly directory: string }
  /** The file that it writes to. */
  readonly journal: string
  readonly workers: number
  /** How long a job takes. */
  readonly millis: number
  /** How long every 50th job takes instead. Defaults to `millis`. */
  readonly longMillis?: number
  /** How long jobs may go on after SIGTERM. Defaults to that of the layer. */
  readonly drainMillis?: number
  /** The default is the short `lease`. */
  readonly longLease?: boolean
  /** It enqueues jobs as well, ten at a time, numbered from here. */
  readonly enqueueFrom?: number
}
