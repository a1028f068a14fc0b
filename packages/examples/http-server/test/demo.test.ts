import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const demo = fileURLToPath(new URL("../src/demo.ts", import.meta.url))

describe("pnpm demo:dashboard", () => {
  it("says where the dashboard is, has herds at work, and ends when it is told to", async () => {
    const child = spawn(process.execPath, [demo], {
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    try {
      let said = ""
      const address = await new Promise<string>((resolve, reject) => {
        child.stdout.on("data", (data) => {
          said += String(data)
          const found = /dashboard is at (\S+)/.exec(said)?.[1]
          if (found !== undefined) resolve(found)
        })
        child.once("exit", (code) => reject(new Error(`ended with ${code}: ${said}`)))
      })
      const answer = await fetch(`${address}/herds`)
      const { herds } = (await answer.json()) as { herds: ReadonlyArray<{ herd: string }> }
      assert.sameMembers(
        herds.map(({ herd }) => herd),
        ["demo/Database", "demo/Reports", "demo/Mail"]
      )
      const ended = once(child, "exit")
      child.kill("SIGTERM")
      const [code] = await ended
      assert.strictEqual(code, 0, said)
    } finally {
      child.kill("SIGKILL")
    }
  })
})
