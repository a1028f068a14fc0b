import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const folder = new URL(".", import.meta.url)
const table = readFileSync(new URL("../../../../docs/scenarios.md", import.meta.url), "utf8")

/** The rows that name a test: its file and its name. */
const listed = table.split("\n").flatMap((line) => {
  const [, , file, name] = line.split("|").map((cell) => cell.trim())
  return file?.endsWith(".test.ts") === true && name !== undefined ? [`${file}: ${name}`] : []
})

/** Titles of tests: the string that `it`, or the table of an `it.each`, is called with. */
const titles = /(?:\bit(?:\.effect|\.live)?|[)\]])\(\s*"((?:[^"\\]|\\.)*)",\s*\(/g

// A long test is a test of the same name with more rounds.
const written = readdirSync(folder)
  .filter((file) => /^[^.]+\.test\.ts$/.test(file) && file !== "table.test.ts")
  .flatMap((file) =>
    [...readFileSync(new URL(file, folder), "utf8").matchAll(titles)].map(([, name]) => `${file}: ${name}`)
  )

describe("docs/scenarios.md", () => {
  it("names only tests that exist", () => {
    assert.isAbove(listed.length, 200)
    assert.deepStrictEqual(
      listed.filter((test) => !written.includes(test)),
      []
    )
  })

  it("names every test of the scenarios", () => {
    assert.deepStrictEqual(
      written.filter((test) => !listed.includes(test)),
      []
    )
  })
})
