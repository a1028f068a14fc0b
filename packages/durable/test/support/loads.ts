// Says which of the modules that only some stores need are loaded after the import, and after the layer was built.
import { Effect, type Layer } from "effect"
import { registerHooks } from "node:module"

const heavy = {
  "pg-boss": /\/pg-boss\//,
  pg: /\/node_modules\/pg\//,
  pglite: /\/pglite\//,
  sqlite: /^node:sqlite$/
}
const seen = new Set<string>()
registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context)
    for (const [name, pattern] of Object.entries(heavy)) if (pattern.test(resolved.url)) seen.add(name)
    return resolved
  }
})

const { Jobs } = await import("../../src/index.ts")
const imported = [...seen]
const layers = {
  memory: Jobs.layerMemory(),
  embedded: Jobs.layerEmbedded({ directory: process.argv[3] }),
  postgres: Jobs.layerPostgres({ url: "postgres://nobody@127.0.0.1:1/none" })
}
const layer: Layer.Layer<never, unknown> = layers[process.argv[2] as keyof typeof layers]
await Effect.runPromise(Effect.provide(Effect.void, layer))
process.stdout.write(JSON.stringify({ imported, built: [...seen].toSorted() }))
