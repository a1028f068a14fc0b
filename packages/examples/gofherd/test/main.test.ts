import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("gofherd's program", () => {
  it("does nothing with nobody, and everything once curl has asked for ten", async () => {
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    try {
      let said = ""
      const address = await new Promise<string>((resolve, reject) => {
        child.stdout.on("data", (data) => {
          said += String(data)
          const found = /http:\/\/[\d.:]+/.exec(said)?.[0]
          if (found !== undefined) resolve(found)
        })
        child.once("exit", (code) => reject(new Error(`ended with ${code}: ${said}`)))
      })
      const before = await fetch(`${address}/herd`)
      assert.strictEqual(await before.text(), `{"num":0,"msg":"success"}`)
      assert.notInclude(said, "workdID")
      const ended = once(child, "exit")
      const set = await fetch(`${address}/herd`, {
        method: "PATCH",
        // What curl says of a body.
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: `{"num": 10}`
      })
      assert.strictEqual(await set.text(), `{"num":10,"msg":"success"}`)
      const [code] = await ended
      assert.strictEqual(code, 0)
      const lines = said.split("\n").filter((line) => line.startsWith("workdID"))
      assert.sameMembers(
        lines,
        Array.from({ length: 10 }, (_, n) => `workdID:${n}, status: success, result:${n + 10}`)
      )
    } finally {
      child.kill("SIGKILL")
    }
  })
})
