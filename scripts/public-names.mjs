// What a package exports, read from its package.json and the re-exports that it leads to. Exports below `./internal/` are
// for the other packages of this repository.
import { readFileSync } from "node:fs"
import { posix } from "node:path"

const read = (path) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const reexport = /^export\s+(?:type\s+)?(\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+"(\.[^"]+)\.ts"/gm

/** The names that a clause takes from its module, comments left out. */
const namesOf = (clause) =>
  clause
    .replaceAll(/\/\*[\s\S]*?\*\/|[{}]/g, "")
    .split(",")
    .map(
      (part) =>
        part
          .trim()
          .replace(/^type\s+/, "")
          .split(/\s+as\s+/)[0]
    )
    .filter((name) => name !== "")

const known = new Map()

/**
 * By place in `src`, without `.ts`: the names of a module that users of the package see. `undefined`: none. A set that has
 * `*` has them all.
 */
export const publicNames = (root) => {
  const before = known.get(root)
  if (before !== undefined) return before
  const names = new Map()
  const add = (place, given) => {
    const seen = names.get(place) ?? new Set()
    names.set(place, seen)
    const fresh = given.filter((name) => !seen.has(name))
    if (fresh.length === 0) return
    for (const name of fresh) seen.add(name)
    for (const [, clause, to] of read(`${root}/src/${place}.ts`).matchAll(reexport)) {
      const there = posix.normalize(posix.join(posix.dirname(place), to))
      if (clause.startsWith("*")) {
        if (seen.has("*")) add(there, ["*"])
      } else if (seen.has("*")) add(there, namesOf(clause))
      else
        add(
          there,
          namesOf(clause).filter((name) => seen.has(name))
        )
    }
  }
  const { exports = {} } = JSON.parse(read(`${root}/package.json`) || "{}")
  for (const [path, to] of Object.entries(exports)) {
    const place = /^\.\/src\/(.+)\.ts$/.exec(to)?.[1]
    if (place !== undefined && !path.startsWith("./internal/")) add(place, ["*"])
  }
  known.set(root, names)
  return names
}
