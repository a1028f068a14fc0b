// Makes the page of the dashboard: `node packages/control/scripts/build-dashboard.ts`.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

/** Most bytes of the script as it travels. */
const most = 60_000

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Writes the three files that `DashboardPage` serves. Returns the size of the gzipped script, in bytes. */
export const build = async (): Promise<number> => {
  const bundle = await rolldown({
    input: path("../dashboard/src/main.tsx"),
    platform: "browser"
  })
  const { output } = await bundle.generate({ format: "es", minify: true, codeSplitting: false })
  await bundle.close()
  const { code } = output[0]
  const size = gzipSync(code).length
  if (size > most) throw new Error(`the script has ${size} bytes gzipped, and may have ${most}`)
  const charts = readFileSync(createRequire(import.meta.url).resolve("uplot/dist/uPlot.min.css"), "utf8")
  mkdirSync(path("../assets"), { recursive: true })
  writeFileSync(path("../assets/app.js"), code)
  writeFileSync(
    path("../assets/style.css"),
    charts + readFileSync(path("../dashboard/src/style.css"), "utf8")
  )
  writeFileSync(path("../assets/index.html"), readFileSync(path("../dashboard/src/index.html")))
  return size
}

if (import.meta.main) console.log(`dashboard: script of ${await build()} bytes gzipped, at most ${most}`)
