// The packages of this workspace that are published.
import { globSync, readFileSync } from "node:fs"
import { dirname } from "node:path"

export interface Package {
  /** Its folder, from the root of the workspace. */
  readonly folder: string
  readonly name: string
}

interface Manifest {
  readonly name: string
  readonly private?: boolean
}

export const publicPackages = (): ReadonlyArray<Package> =>
  globSync("packages/*/package.json")
    .toSorted()
    .flatMap((path) => {
      const manifest: Manifest = JSON.parse(readFileSync(path, "utf8"))
      return manifest.private === true ? [] : [{ folder: dirname(path), name: manifest.name }]
    })

/** The version of a dependency in the catalog of pnpm-workspace.yaml. */
export const catalogVersion = (name: string): string => {
  const catalog = readFileSync("pnpm-workspace.yaml", "utf8")
  const version = new RegExp(`^ {2}"?${name}"?: (\\S+)$`, "m").exec(catalog)?.[1]
  if (version === undefined) throw new Error(`pnpm-workspace.yaml has no ${name} in its catalog`)
  return version
}
