import { backlog } from "./backlog.ts"
import { cancel } from "./cancel.ts"
import { control } from "./control.ts"
import { dispatch } from "./dispatch.ts"
import { durable } from "./durable.ts"
import { latency } from "./latency.ts"
import { pool } from "./pool.ts"
import type { Bench } from "./Race.ts"
import { soak } from "./soak.ts"
import { threads } from "./threads.ts"
import { timeouts } from "./timeouts.ts"

/** In the order in which they run. */
export const benches: ReadonlyArray<Bench> = [
  dispatch,
  backlog,
  latency,
  pool,
  cancel,
  timeouts,
  soak,
  control,
  threads,
  durable
]
