// The public declarations of each published package, in its committed api-report.md, so that a change of
// the API shows in a diff. Reads dist: build from clean first. `--check` compares instead of writing.
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { publicPackages } from "./packages.ts"

/** Modules (by what is imported) whose types are unions of every endpoint, which the compiler writes in an order of its own each time. */
const inferred = new Set(["ControlApi", "ControlClient"])

const check = process.argv.includes("--check")

for (const { folder, name } of publicPackages()) {
  const path = join(folder, "api-report.md")
  const report = reportOf(name, join(folder, "dist"))
  if (!check) {
    writeFileSync(path, report)
    console.log(`wrote ${path}`)
    continue
  }
  const committed = existsSync(path) ? readFileSync(path, "utf8") : ""
  if (committed === report) {
    console.log(`${path} is up to date`)
    continue
  }
  console.error(`${path} is not what the sources declare:\n${difference(committed, report)}`)
  console.error("If the change is meant, run `npx -y pnpm@12 api` and commit the report.")
  process.exitCode = 1
}

/** One section for each module that can be imported, its declarations without their comments. */
function reportOf(name: string, dist: string): string {
  const manifest: { readonly publishConfig: { readonly exports: Record<string, string | null> } } =
    JSON.parse(readFileSync(join(dist, "../package.json"), "utf8"))
  // A module is named by what a program imports; the room it stands in is nobody's business.
  const exported = Object.entries(manifest.publishConfig.exports).flatMap(([name, path]) => {
    const place = /^\.\/dist\/(.*)\.js$/.exec(path ?? "")?.[1]
    // What the packages of this repository share among themselves is no promise to anybody else.
    return place === undefined || place.startsWith("internal/")
      ? []
      : [[name === "." ? "index" : name.slice(2), place] as const]
  })
  // The entry of the test kit exports from its siblings.
  const kit = globSync("testing/*.d.ts", { cwd: dist }).map((path) => path.replace(/\.d\.ts$/, ""))
  const modules = [
    ...exported.filter(([, place]) => !kit.includes(place)),
    ...kit.map((place) => [place, place] as const)
  ].toSorted(([one], [other]) => (one < other ? -1 : 1))
  if (!existsSync(join(dist, "index.d.ts"))) throw new Error(`${dist} holds no declarations: build first`)
  const sections = modules.map(([module, place]) => {
    const heading = `## ${module}\n`
    if (inferred.has(module))
      return `${heading}\nInferred from the API's declaration: \`/openapi.json\` says what it is.\n`
    const declarations = readFileSync(join(dist, `${place}.d.ts`), "utf8")
      .replaceAll(/^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*\n/gm, "")
      .replaceAll(/^\/\/# sourceMappingURL=.*\n?/gm, "")
      .replaceAll(/"\.{1,2}\/(?:[\w-]+\/)*([\w-]+\.ts)"/g, '"./$1"')
      .trim()
    return `${heading}\n\`\`\`ts\n${declarations}\n\`\`\`\n`
  })
  return `# Public declarations of ${name}\n\nWritten by \`npx -y pnpm@12 api\`.\n\n${sections.join("\n")}`
}

/** The first lines that only one of the two reports has. */
function difference(committed: string, built: string): string {
  const only = (mark: string, text: string, other: string) => {
    const known = new Set(other.split("\n"))
    return text.split("\n").flatMap((line) => (known.has(line) ? [] : [`  ${mark} ${line}`]))
  }
  const lines = [...only("-", committed, built), ...only("+", built, committed)]
  const shown = lines.slice(0, 20)
  if (lines.length === 0) return "  the same lines in another order"
  return [
    ...shown,
    ...(lines.length > shown.length ? [`  and ${lines.length - shown.length} more`] : [])
  ].join("\n")
}
