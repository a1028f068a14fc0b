import { readFileSync } from "node:fs"
import { resolve } from "node:path"

import { expect, it } from "vitest"

import { page } from "../config-docs.ts"

it("docs/configuration.md is what the table of settings says", () => {
  const file = resolve(import.meta.dirname, "../../docs/configuration.md")

  expect(readFileSync(file, "utf8")).toBe(page)
})
