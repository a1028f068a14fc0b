// Draws the pictures of the dashboard in README and docs: `pnpm pictures`. Needs Chromium; `PICTURES` chooses another folder,
// where each width and theme is drawn.
import { Effect, Layer, References } from "effect"
import { mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { chromium } from "playwright-core"
import { alone, serve } from "../test/support/control.ts"
import { night } from "../test/support/night.ts"
import { build } from "./build-dashboard.ts"

const folder = process.env["PICTURES"]
const docs = fileURLToPath(new URL("../../../docs/", import.meta.url))
const seconds = Number(process.env["SECONDS"] ?? 45)

const places = [
  ["dashboard", "#/"],
  ["queue", "#/queues/billing%2FSendInvoice"],
  ["herd", "#/herds/app%2FNotify/failures"],
  ["big", "#/herds/app%2FImages"]
] as const

const program = Effect.gen(function* () {
  yield* Effect.promise(() => build())
  yield* night(folder === undefined ? 12 : 36)
  const { url } = yield* serve({ exposeErrors: true, service: "billing-worker", version: "2.3.1" })
  yield* Effect.sleep(seconds * 1000)
  yield* Effect.promise(async () => {
    const browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--headless", "--no-sandbox", "--disable-gpu"]
    })
    const draw = async (
      path: string,
      hash: string,
      width: number,
      colorScheme: "light" | "dark",
      fullPage: boolean
    ) => {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
      await page.goto(`${url}/dashboard${hash}`)
      await page.waitForTimeout(2500)
      await page.screenshot({ path, fullPage })
      await page.close()
    }
    if (folder === undefined) {
      await draw(`${docs}dashboard.png`, "#/", 1280, "light", false)
      await draw(`${docs}queue.png`, places[1][1], 1280, "light", false)
    } else {
      mkdirSync(folder, { recursive: true })
      for (const [name, hash] of places)
        for (const [width, theme] of [
          [400, "light"],
          [800, "dark"],
          [1280, "light"],
          [1920, "dark"]
        ] as const)
          await draw(`${folder}/${name}-${width}-${theme}.png`, hash, width, theme, true)
    }
    await browser.close()
  })
}).pipe(alone, Effect.scoped, Effect.provide(Layer.succeed(References.MinimumLogLevel, "Error" as const)))

await Effect.runPromise(program)
process.exit(0)
