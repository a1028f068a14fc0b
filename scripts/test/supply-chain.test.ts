import { assert, describe, it } from "vitest"
import { readFileSync } from "node:fs"
import { publicPackages } from "../packages.ts"
import { runtimePackages } from "../runtime-packages.ts"

const packages = publicPackages()

/** How many packages each brings along. More is a decision: say here that it was one. */
const counts: Readonly<Record<string, number>> = {
  lemmings: 0,
  "@lemmings/control": 0,
  "@lemmings/threads": 0,
  "@lemmings/durable": 23
}

describe("what is published", () => {
  it("brings along as many packages as was decided", () => {
    const found = packages.map(({ folder, name }) => [name, runtimePackages(folder)] as const)
    assert.sameMembers(
      found.map(([name]) => name),
      Object.keys(counts)
    )
    for (const [name, all] of found)
      assert.strictEqual(all.length, counts[name], `${name}: ${all.join(", ")}`)
  })

  it("has its license in each package", () => {
    const license = readFileSync("LICENSE", "utf8")
    for (const { folder } of packages)
      assert.strictEqual(readFileSync(`${folder}/LICENSE`, "utf8"), license, folder)
  })

  it("names the licenses of what its page is made of", () => {
    const notices = readFileSync("packages/control/THIRD-PARTY-NOTICES.md", "utf8")
    for (const name of ["preact", "uplot"]) {
      const folder = `packages/control/node_modules/${name}`
      const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as { version: string }
      assert.include(notices, `## ${name} ${version}`)
      assert.include(notices, readFileSync(`${folder}/LICENSE`, "utf8").trim())
    }
    const manifest = readFileSync("packages/control/package.json", "utf8")
    assert.include(manifest, `"THIRD-PARTY-NOTICES.md"`)
  })

  it("is made of packages that have been public for days, and none of them runs a script when it is installed", () => {
    const workspace = readFileSync("pnpm-workspace.yaml", "utf8")
    assert.isAtLeast(Number(/^minimumReleaseAge: (\d+)$/m.exec(workspace)?.[1]), 3 * 24 * 60)
    const [, builds = ""] = /^allowBuilds:\n((?: {2}.*\n)*)/m.exec(workspace) ?? []
    assert.notMatch(builds, /: true/)
  })
})
