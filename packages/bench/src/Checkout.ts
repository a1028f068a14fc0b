// Another commit of this repository in a temporary folder, installed, with the benchmarks of this one.
import { execFile, execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("../../..", import.meta.url))

export interface Checkout {
  /** The commit, in short. */
  readonly commit: string
  /** Its `child.ts`. */
  readonly child: string
  readonly remove: () => void
}

/** The short name of a commit; undefined where there is none of that name. */
export const commitOf = (ref: string): string | undefined => {
  try {
    const args = ["rev-parse", "--short", "--verify", "--quiet", `${ref}^{commit}`]
    return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim()
  } catch {
    return undefined
  }
}

/**
 * Checks a commit out. Its benchmarks are replaced by ours, so that both sides do the same: what differs is the libraries.
 * Where they need what that commit has not got, its contestants fail and say so.
 */
export const checkout = async (commit: string): Promise<Checkout> => {
  const folder = mkdtempSync(join(tmpdir(), `lemmings-bench-${commit}-`))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once("exit", remove)
  process.once("SIGINT", () => process.exit(130))
  try {
    // An archive leaves no trace in the repository, as a work tree would.
    const archive = join(folder, "commit.tar")
    execFileSync("git", ["archive", "--output", archive, commit], { cwd: root })
    execFileSync("tar", ["-xf", archive, "-C", folder])
    rmSync(archive)
    const bench = join(folder, "packages/bench/src")
    const install = ["-y", "pnpm@12", "install", "--frozen-lockfile", "--prefer-offline"]
    await promisify(execFile)("npx", install, { cwd: folder })
    rmSync(bench, { recursive: true, force: true })
    cpSync(fileURLToPath(new URL(".", import.meta.url)), bench, { recursive: true })
    return { commit, child: join(bench, "child.ts"), remove }
  } catch (error) {
    remove()
    throw error
  }
}
