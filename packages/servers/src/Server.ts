/**
 * What a private server is, whichever it is.
 */
import { Data, Effect, type Scope, Semaphore } from "effect"
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { randomBytes, randomInt } from "node:crypto"
import { chownSync, existsSync, globSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { ended, type Keeper, keeper, type Owner } from "./Keeper.ts"

/** A running server of our own. `restart` and `crash` wait for each other. */
export interface Server {
  /** How clients reach it. It stays the same over restarts. */
  readonly url: string
  /** The main process of the server: another after each `restart`, and 0 after a `crash`. */
  readonly pid: Effect.Effect<number>
  /** Stops it as its operator would, without waiting for clients, and starts it on the same data and port. */
  readonly restart: Effect.Effect<void>
  /** Kills it and its children with SIGKILL. `restart` brings it back. */
  readonly crash: Effect.Effect<void>
}

/** The server is not installed. */
export class ServerMissing extends Data.TaggedError("ServerMissing")<{
  readonly command: string
  /** The package of Debian that has it. */
  readonly install: string
  readonly folders: ReadonlyArray<string>
}> {
  override get message(): string {
    return `${this.command} is not in ${this.folders.join(", ")}: apt-get install ${this.install}`
  }
}

const anywhere = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]

/** Where they are looked for. Debian has each version of PostgreSQL in a folder of its own: the newest first. */
export const folders = {
  postgres: [...globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed(), ...anywhere],
  redis: anywhere
}

const path = (command: string, folders: ReadonlyArray<string>): string | undefined =>
  folders.map((folder) => join(folder, command)).find((file) => existsSync(file))

const needed = process.env["REQUIRE_ALL"] === "1"

/**
 * Which servers are not installed, so that the tests which need them are left out. CI installs them and leaves out
 * nothing.
 */
export const missing: { readonly postgres: boolean; readonly redis: boolean } = {
  postgres: !needed && path("postgres", folders.postgres) === undefined,
  redis: !needed && path("redis-server", folders.redis) === undefined
}

/** The path of a command. */
export const find = (
  command: string,
  install: string,
  folders: ReadonlyArray<string>
): Effect.Effect<string, ServerMissing> =>
  Effect.suspend(() => {
    const found = path(command, folders)
    return found === undefined
      ? Effect.fail(new ServerMissing({ command, install, folders }))
      : Effect.succeed(found)
  })

/** PostgreSQL refuses to be run by root, so where we are root the user of its package runs it. */
export const ownerOf = (user: string): Effect.Effect<Owner | undefined> =>
  Effect.sync(() => {
    if (process.getuid?.() !== 0) return undefined
    const id = (flag: string) => Number(execFileSync("id", [flag, user], { encoding: "utf8" }))
    return { uid: id("-u"), gid: id("-g") }
  })

/** Runs a command to its end. It dies with all that the command said if that was not a success. */
export const command = (
  kept: Keeper,
  owner: Owner | undefined,
  file: string,
  args: ReadonlyArray<string>
): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const child = execFile(file, args, { ...owner, cwd: kept.folder }, (error, stdout, stderr) => {
      resume(error === null ? Effect.void : Effect.die(new Error(`${file} failed\n${stdout}${stderr}`)))
    })
    kept.watch(child)
    return Effect.andThen(
      Effect.sync(() => child.kill()),
      ended(child)
    )
  })

/** A new password, in a file that only its server reads. */
export const secret = (
  kept: Keeper,
  owner: Owner | undefined,
  line: (word: string) => string
): { readonly file: string; readonly word: string } => {
  const word = randomBytes(24).toString("base64url")
  const file = join(kept.folder, "secret")
  writeFileSync(file, line(word), { mode: 0o600 })
  if (owner !== undefined) chownSync(file, owner.uid, owner.gid)
  return { file, word }
}

/** How a server is run. */
export interface Program {
  readonly file: string
  readonly args: (port: number) => ReadonlyArray<string>
  readonly url: (port: number) => string
  readonly owner: Owner | undefined
  /** The line that it says when it is ready for clients. */
  readonly ready: RegExp
  /** Ends it cleanly and soon. */
  readonly stopSignal: NodeJS.Signals
}

class NotStarted extends Data.TaggedError("NotStarted")<{ readonly said: string }> {
  override get message(): string {
    return `The server ended before it was ready\n${this.said}`
  }
}

/** Starts the server on a port and waits until it is ready. */
const launch = (kept: Keeper, program: Program, port: number): Effect.Effect<ChildProcess, NotStarted> =>
  Effect.callback((resume) => {
    const child = spawn(program.file, program.args(port), {
      ...program.owner,
      cwd: kept.folder,
      stdio: ["ignore", "pipe", "pipe"],
      // As for the keeper: it ends when we say so.
      detached: true
    })
    kept.watch(child)
    child.unref()
    const said: Array<string> = []
    for (const output of [child.stdout, child.stderr]) {
      const lines = createInterface(output)
      lines.on("line", (line) => {
        // Read on to the end, or the server blocks on a full pipe.
        if (said.length < 100) said.push(line)
        if (program.ready.test(line)) resume(Effect.succeed(child))
      })
    }
    child.once("close", () => {
      resume(Effect.fail(new NotStarted({ said: said.join("\n") })))
    })
  })

/** Below the ports that systems give to outgoing connections: one of those must not take ours during a restart. */
const anyPort = Effect.sync(() => randomInt(15_000, 32_000))

const somewhere = (kept: Keeper, program: Program) =>
  Effect.flatMap(anyPort, (port) =>
    Effect.map(launch(kept, program, port), (child) => ({ child, port }))
  ).pipe(Effect.retry({ times: 20, while: ({ said }) => /address already in use/i.test(said) }), Effect.orDie)

/** Sends SIGKILL to a process and its children, all of them: one that cannot run has no more of them. */
const killAll = (pid: number): Effect.Effect<void> =>
  Effect.sync(() => {
    process.kill(pid, "SIGSTOP")
    const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    const rows = table.split("\n").map((row) => row.trim().split(/\s+/).map(Number))
    const children = rows.flatMap(([child = 0, parent]) => (parent === pid ? [child] : []))
    for (const one of [pid, ...children]) {
      try {
        process.kill(one, "SIGKILL")
      } catch {
        // It has ended by itself.
      }
    }
  })

/** Runs a server in a new folder until the scope closes. `prepare` makes its data. */
export const serve = (
  name: string,
  owner: Owner | undefined,
  prepare: (kept: Keeper) => Effect.Effect<Program>
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const kept = yield* keeper(name, owner)
    const program = yield* prepare(kept)
    const first = yield* somewhere(kept, program)
    const { port } = first
    let child: ChildProcess | undefined = first.child
    const end = (kill: (pid: number) => Effect.Effect<void>) =>
      Effect.suspend(() => {
        const current = child
        child = undefined
        return current?.pid === undefined ? Effect.void : Effect.andThen(kill(current.pid), ended(current))
      })
    const restart = Effect.gen(function* () {
      yield* end((pid) => Effect.sync(() => process.kill(pid, program.stopSignal)))
      child = yield* Effect.orDie(launch(kept, program, port))
    })
    const oneAtATime = Semaphore.makeUnsafe(1)
    return {
      url: program.url(port),
      pid: Effect.sync(() => child?.pid ?? 0),
      restart: Effect.uninterruptible(oneAtATime.withPermit(restart)),
      crash: Effect.uninterruptible(oneAtATime.withPermit(end(killAll)))
    }
  })
