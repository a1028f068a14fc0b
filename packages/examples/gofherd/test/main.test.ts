import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

interface Running {
  readonly address: string
  readonly said: () => string
  /** Its exit code. */
  readonly end: Promise<number | null>
  readonly child: ChildProcess
}

/** Runs the program until the test is over, or it is. */
const running = async (test: (program: Running) => Promise<void>) => {
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"]
  })
  let said = ""
  // Closed means that everything it said has been read.
  const end = new Promise<number | null>((resolve) => child.once("close", resolve))
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (data) => {
        said += String(data)
        const found = /http:\/\/[\d.:]+/.exec(said)?.[0]
        if (found !== undefined) resolve(found)
      })
      child.once("exit", (code) => reject(new Error(`ended with ${code}: ${said}`)))
    })
    await test({ address, said: () => said, end, child })
  } finally {
    child.kill("SIGKILL")
  }
}

interface Tasks {
  readonly queued: number
  readonly running: number
  readonly succeeded: number
}

/** Its tasks, once all the work has been sent. */
const waiting = async (address: string): Promise<Tasks> => {
  const answer = await fetch(`${address}/herds/gofherd`)
  const { tasks } = (await answer.json()) as { readonly tasks: Tasks }
  return tasks.queued === 10 ? tasks : waiting(address)
}

const linesOf = (said: string) => said.split("\n").filter((line) => line.startsWith("workdID"))

describe("gofherd's program", () => {
  it("does nothing with nobody, and everything once curl has asked for ten", () =>
    running(async ({ address, end, said }) => {
      const before = await fetch(`${address}/herd`)
      assert.strictEqual(await before.text(), `{"num":0,"msg":"success"}`)
      const { running, succeeded } = await waiting(address)
      assert.deepStrictEqual([running, succeeded], [0, 0])
      assert.lengthOf(linesOf(said()), 0)

      const set = await fetch(`${address}/herd`, {
        method: "PATCH",
        // What curl says of a body.
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: `{"num": 10}`
      })
      assert.strictEqual(await set.text(), `{"num":10,"msg":"success"}`)

      assert.strictEqual(await end, 0)
      assert.sameMembers(
        linesOf(said()),
        Array.from({ length: 10 }, (_, n) => `workdID:${n}, status: success, result:${n + 10}`)
      )
    }))

  it("does not wait for workers that nobody asks for when it is told to end", () =>
    running(async ({ address, child, end, said }) => {
      await waiting(address)
      child.kill("SIGTERM")

      // Not 0: ten units of work were accepted, and are not done.
      assert.strictEqual(await end, 143)
      assert.include(said(), "10 abandoned")
    }))
})
