// What a published package brings along when it is installed: its dependencies and theirs, as they are installed here.
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { dirname, join } from "node:path"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

/** Where a package that another one depends on is. `undefined`: an optional one, which is not for this platform. */
const resolve = (from: string, name: string): string | undefined => {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name)
    if (existsSync(join(found, "package.json"))) return realpathSync(found)
    if (dirname(folder) === folder) return undefined
  }
}

/** `name@version` of each, peers and what is only for development left out. */
export const runtimePackages = (folder: string): ReadonlyArray<string> => {
  const found = new Map<string, string>()
  const visit = (at: string) => {
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(at)
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const next = resolve(at, name)
      if (next === undefined || found.has(next)) continue
      const manifest = manifestOf(next)
      found.set(next, `${manifest.name}@${manifest.version}`)
      visit(next)
    }
  }
  visit(realpathSync(folder))
  return [...found.values()].toSorted()
}
