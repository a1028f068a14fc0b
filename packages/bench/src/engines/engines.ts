// Every engine by the name that the reports give it, and where it stores its jobs.
import { bullmq } from "./bullmq.ts"
import type { Open } from "./Engine.ts"
import { graphileLocalQueue, graphileWorker } from "./graphile.ts"
import { oursEmbedded, oursInMemory, oursOnPostgres } from "./ours.ts"
import { persistedQueue } from "./persistedQueue.ts"
import {
  pgBossPull,
  pgBossPullEmbedded,
  pgBossPullMany,
  pgBossPullManyEmbedded,
  pgBossWork,
  pgBossWorkEmbedded
} from "./pgBoss.ts"
import { bySql, bySqlMany } from "./sql.ts"
import type { Store } from "./stores.ts"

interface Contender {
  readonly store: Store
  readonly open: Open
}

const engines = {
  ours: { store: "postgres", open: oursOnPostgres },
  "ours, embedded": { store: "folder", open: oursEmbedded },
  "ours, in memory": { store: "memory", open: oursInMemory },
  "pg-boss, pull": { store: "postgres", open: pgBossPull },
  "pg-boss, pull 2 × 256": { store: "postgres", open: pgBossPullMany },
  "pg-boss, work()": { store: "postgres", open: pgBossWork },
  "graphile-worker": { store: "postgres", open: graphileWorker },
  "graphile-worker, local queue": { store: "postgres", open: graphileLocalQueue },
  "Effect PersistedQueue": { store: "postgres", open: persistedQueue },
  "SQL by hand": { store: "postgres", open: bySql },
  "SQL by hand, 256": { store: "postgres", open: bySqlMany },
  "BullMQ on Redis": { store: "redis", open: bullmq },
  "pg-boss on PGlite, pull": { store: "folder", open: pgBossPullEmbedded },
  "pg-boss on PGlite, pull 2 × 256": { store: "folder", open: pgBossPullManyEmbedded },
  "pg-boss on PGlite, work()": { store: "folder", open: pgBossWorkEmbedded }
} satisfies Record<string, Contender>

export type EngineName = keyof typeof engines

export const contender = (name: EngineName): Contender => engines[name]
