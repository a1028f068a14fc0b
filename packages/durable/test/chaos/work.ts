import { Schema } from "effect"
import * as Job from "../../src/Job.ts"

/** The job of the chaos tests: its number is its identity. */
export const Work = Job.make("Chaos", { payload: Schema.Int })
