import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { temporaryFolder } from "./temporaryFolder.ts"

// it.live throughout: each test runs the program as a process of its own.

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const start = (args: ReadonlyArray<string>, onOutput?: (stdout: string, signal: () => void) => void) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(process.execPath, [main, ...args])
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      onOutput?.(stdout, () => child.kill("SIGINT"))
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const fill = (root: string, files: number) => {
  for (let n = 0; n < files; n++) {
    const folder = join(root, `${n % 20}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${n}.txt`), `${n}\n`.repeat(100))
  }
}

describe("file-index", () => {
  it.live("indexes a folder and prints the report", () =>
    Effect.gen(function* () {
      const [root, folder] = [yield* temporaryFolder, yield* temporaryFolder]
      fill(root, 100)

      const ended = yield* start([root, "--db", join(folder, "index.sqlite"), "--workers", "3"])

      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.match(ended.stdout, /│ files +│ +100 │/)
      assert.match(ended.stdout, /│ workers +│ +[23] at most, of 3 allowed │/)
      assert.match(ended.stdout, /│ 0\.\d\d s +│ 0 -> 2 +│ start: initial +│/)
      assert.include(ended.stdout, "No problems.")
      assert.notInclude(ended.stdout, "Stopped early")
    })
  )

  it.live("closes with a command that works as it is printed, in a shell that has no Node.js", () =>
    Effect.gen(function* () {
      const [root, folder] = [yield* temporaryFolder, yield* temporaryFolder]
      fill(root, 30)

      // Names that a shell would take apart.
      const ended = yield* start([root, "--db", join(folder, 'it\'s $HOME "the index".sqlite')])
      const command = ended.stdout.split("\nTry:\n")[1] ?? ""
      const printed = execFileSync("/bin/sh", ["-c", command], {
        env: { PATH: "/usr/bin:/bin" },
        cwd: folder,
        encoding: "utf8"
      })

      assert.match(printed, /kind.*files.*bytes/)
      assert.match(printed, /'text\/plain'.* 30 /)
    })
  )

  it.live("on Ctrl-C keeps what it has, reports it, and exits by itself", () =>
    Effect.gen(function* () {
      const [root, folder] = [yield* temporaryFolder, yield* temporaryFolder]
      fill(root, 6_000)
      const file = join(folder, "index.sqlite")
      let signalled = false

      const ended = yield* start(
        [root, "--db", file, "--workers", "1", "--interval", "20"],
        (stdout, signal) => {
          if (signalled || !/^[1-9][\d,]* files/m.test(stdout)) return
          signalled = true
          signal()
        }
      )

      assert.strictEqual(ended.code, 130, ended.stderr)
      assert.include(ended.stdout, "Stopped early")
      const reported = Number(/│ files +│ +([\d,]+) │/.exec(ended.stdout)?.[1]?.replaceAll(",", ""))
      const database = new DatabaseSync(file)
      const one = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0]
      assert.strictEqual(one("pragma integrity_check"), "ok")
      assert.strictEqual(one("select count(*) from files"), reported)
      assert.strictEqual(one("select complete from run"), 0)
      database.close()
      assert.isAbove(reported, 0)
      assert.isBelow(reported, 6_000)
    })
  )

  it.live("--help says what it does, and succeeds", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* start(["--help"])

      assert.strictEqual(code, 0)
      for (const word of ["folder", "--db", "--workers"]) assert.include(stdout, word)
    })
  )

  it.live.each([
    { name: "a folder that is not there", args: ["/no/such/folder"], message: "/no/such/folder" },
    { name: "a file in place of a folder", args: [main], message: "main.ts" },
    { name: "too many workers", args: ["--workers", "1000"], message: "Expected 1 to 256 workers, got 1000" },
    { name: "workers that are no number", args: ["--workers", "many"], message: "many" },
    { name: "an unknown flag", args: ["--nonsense"], message: "--nonsense" },
    {
      name: "a database in no folder",
      args: ["--db", "/no/such/folder/x"],
      message: "There is no folder /no/such/folder"
    },
    { name: "a database that is none", args: [".", "--db", main], message: "is not a file index" }
  ])("refuses $name with a message and exit code 2", ({ args, message }) =>
    Effect.gen(function* () {
      const { code, stderr } = yield* start(args)

      assert.strictEqual(code, 2)
      assert.include(stderr, message)
    })
  )
})
