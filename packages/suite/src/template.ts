/** Makes an empty PGlite database in the directory that it is told. A process of its own, since it holds up its event loop. */
import { PGlite } from "@electric-sql/pglite"

const pglite = await PGlite.create({ dataDir: process.argv[2] ?? "" })
await pglite.close()
