import { missing, postgres } from "@lemmings/servers"
import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as JobStoreMemory from "../src/JobStoreMemory.ts"
import * as JobStores from "../src/JobStores.ts"
import { suite } from "./support/JobStoreSuite.ts"

const leaseMillis = 1_000

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-store-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

suite("memory", JobStoreMemory.layer(leaseMillis))
suite("PGlite in memory", JobStores.layerEmbedded({ directory: undefined, leaseMillis }))
suite(
  "PGlite in a directory",
  Layer.unwrap(Effect.map(directory, (path) => JobStores.layerEmbedded({ directory: path, leaseMillis })))
)
suite(
  "PostgreSQL",
  Layer.unwrap(
    Effect.map(postgres(), ({ url }) =>
      JobStores.layerPostgres({ url, schema: undefined, connections: undefined, leaseMillis })
    )
  ),
  missing.postgres
)
