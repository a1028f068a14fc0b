// The packages of the workspace depend on each other in one direction: pnpm warns of cycles, and whoever clones sees it first.
import { globSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { assert, describe, it } from "vitest"

interface Manifest {
  readonly name: string
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

const root = resolve(import.meta.dirname, "../..")
const manifests = globSync("packages/{*,examples/*}/package.json", { cwd: root }).map((path): Manifest =>
  JSON.parse(readFileSync(join(root, path), "utf8"))
)

/** Packages that lead back to themselves, by every kind of dependency. */
const cycles = (packages: ReadonlyArray<Manifest>): ReadonlyArray<string> => {
  const names = new Set(packages.map(({ name }) => name))
  const needs = new Map(
    packages.map(({ dependencies, devDependencies, name, peerDependencies }) => [
      name,
      Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }).filter((one) =>
        names.has(one)
      )
    ])
  )
  return [...names].filter((name) => {
    const seen = new Set<string>()
    const visit = (one: string): boolean =>
      (needs.get(one) ?? []).some(
        (next) => next === name || (!seen.has(next) && visit((seen.add(next), next)))
      )
    return visit(name)
  })
}

describe("the workspace", () => {
  it("has no package that depends on itself by way of others", () => {
    assert.isAbove(manifests.length, 15)
    assert.deepStrictEqual(cycles(manifests), [])
  })

  it("would know one that did", () =>
    assert.deepStrictEqual(
      cycles([
        { name: "a", devDependencies: { b: "*" } },
        { name: "b", peerDependencies: { a: "*" } },
        { name: "c", dependencies: { a: "*" } }
      ]),
      ["a", "b"]
    ))
})
