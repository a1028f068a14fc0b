import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { folder } from "../support/processes.ts"

const program = fileURLToPath(new URL("../support/loads.ts", import.meta.url))

/** What a process of its own loads that imports the package and builds one layer. */
const loads = (layer: string, directory: string) =>
  Effect.map(
    Effect.promise(() => promisify(execFile)(process.execPath, [program, layer, directory])),
    ({ stdout }) => JSON.parse(stdout.split("\n").at(-1) ?? "") as Record<"imported" | "built", Array<string>>
  )

describe("the package", () => {
  it.live.each([
    ["memory", []],
    ["embedded", ["pg", "pg-boss", "pglite", "sqlite"]],
    ["postgres", ["pg", "pg-boss"]]
  ] as const)("loads what its layer of %s needs, and not before", ([layer, needed]) =>
    Effect.gen(function* () {
      const { built, imported } = yield* loads(layer, yield* folder)
      assert.deepStrictEqual(imported, [])
      assert.deepStrictEqual(built, [...needed])
    })
  )
})
