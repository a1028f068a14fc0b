import { Effect } from "effect"
import { execFile } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** Where Debian puts the server's programs; elsewhere they are on the PATH. */
const debian = "/usr/lib/postgresql/15/bin"

/** PostgreSQL does not run as root. */
const asUser = (program: string, args: ReadonlyArray<string>) => {
  const path = existsSync(debian) ? join(debian, program) : program
  return process.getuid?.() === 0
    ? run("runuser", ["-u", "postgres", "--", path, ...args])
    : run(path, [...args])
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => (typeof address === "object" && address ? resolve(address.port) : reject(address)))
    })
  })

/** A server of its own on loopback, and what a test may do to it. */
export const start = Effect.acquireRelease(
  Effect.promise(async () => {
    const directory = mkdtempSync(join(tmpdir(), "lemmings-postgres-"))
    chmodSync(directory, 0o777)
    const data = join(directory, "data")
    const port = await freePort()
    await asUser("initdb", ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync"])
    const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${directory} -c synchronous_commit=on`
    const up = () =>
      asUser("pg_ctl", ["-D", data, "-l", join(directory, "log"), "-w", "-o", settings, "start"])
    const down = (mode: "fast" | "immediate") => asUser("pg_ctl", ["-D", data, "-m", mode, "-w", "stop"])
    await up()
    return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, directory, up, down }
  }),
  ({ directory, down }) =>
    Effect.promise(async () => {
      await down("immediate").catch(() => {})
      rmSync(directory, { recursive: true, force: true })
    })
)
