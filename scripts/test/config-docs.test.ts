import { readFileSync } from "node:fs"
import { resolve } from "node:path"

import { expect, it } from "vitest"

import { durablePage, page } from "../config-docs.ts"

it.each([
  ["configuration.md", page],
  ["durable-options.md", durablePage]
])("docs/%s is what the table of settings says", (name, text) => {
  const file = resolve(import.meta.dirname, "../../docs", name)

  expect(readFileSync(file, "utf8")).toBe(text)
})
