import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { JobStore } from "../../src/port/JobStore.ts"
import * as EmbeddedStore from "../../src/store/EmbeddedStore.ts"
import * as JobStoreMemory from "../../src/store/JobStoreMemory.ts"
import * as PostgresStore from "../../src/store/PostgresStore.ts"

const leaseMillis = 1_000

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-store-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

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
