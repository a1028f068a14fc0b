import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { fileURLToPath } from "node:url"

const demo = fileURLToPath(new URL("../src/demo.ts", import.meta.url))

interface Herds {
  readonly herds: ReadonlyArray<{ readonly herd: string; readonly tasks: { readonly submitted: number } }>
}

const until = async (holds: () => Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

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
      const { herds } = (await answer.json()) as Herds
      assert.sameMembers(
        herds.map(({ herd }) => herd),
        ["app/Renderer", "demo/Database", "demo/Reports", "demo/Mail"]
      )
      assert.strictEqual((await fetch(`${address}/health/ready`)).status, 200)
      await until(async () => {
        const seen = (await (await fetch(`${address}/herds`)).json()) as Herds
        return seen.herds.every(({ tasks }) => tasks.submitted > 0)
      })
      const ended = once(child, "exit")
      child.kill("SIGTERM")
      const [code] = await ended
      assert.strictEqual(code, 0, said)
    } finally {
      child.kill("SIGKILL")
    }
  })

  it("says so when its port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1")
    await once(other, "listening")
    const { port } = other.address() as AddressInfo
    const child = spawn(process.execPath, [demo], {
      env: { ...process.env, PORT: String(port) },
      stdio: ["ignore", "pipe", "pipe"]
    })
    try {
      let said = ""
      for (const output of [child.stdout, child.stderr]) output.on("data", (data) => (said += String(data)))
      const [code] = await once(child, "close")
      assert.strictEqual(code, 1)
      assert.include(said, `Port ${port} of 127.0.0.1 is taken`)
    } finally {
      child.kill("SIGKILL")
      other.close()
    }
  })
})
