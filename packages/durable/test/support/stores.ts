import { missing } from "@lemmings/servers"
import { directory } from "@lemmings/suite/embedded"
import { database } from "@lemmings/suite/postgres"
import { Effect, Layer } from "effect"
import type { JobStore } from "../../src/port/JobStore.ts"
import * as EmbeddedStore from "../../src/store/EmbeddedStore.ts"
import * as JobStoreMemory from "../../src/store/JobStoreMemory.ts"
import * as PostgresStore from "../../src/store/PostgresStore.ts"

const leaseMillis = 1_000

/** Every store that there is. Their leases last a second. */
export const stores: ReadonlyArray<{
  readonly name: string
  readonly layer: Layer.Layer<JobStore, unknown>
  readonly missing: boolean
}> = [
  { name: "memory", layer: JobStoreMemory.layer(leaseMillis), missing: false },
  {
    name: "PGlite in memory",
    layer: EmbeddedStore.layer({ directory: undefined, leaseMillis }),
    missing: false
  },
  {
    name: "PGlite in a directory",
    layer: Layer.unwrap(
      Effect.map(directory, (path) => EmbeddedStore.layer({ directory: path, leaseMillis }))
    ),
    missing: false
  },
  {
    name: "PostgreSQL",
    layer: Layer.unwrap(
      Effect.map(database, ({ url }) =>
        PostgresStore.layer({ url, schema: undefined, connections: undefined, leaseMillis })
      )
    ),
    missing: missing.postgres
  }
]
