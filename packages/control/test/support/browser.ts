/**
 * A real browser, one for all tests of a file.
 */
import { Effect } from "effect"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, assert } from "vitest"

const executablePath = "/usr/bin/chromium"
/** CI installs the browser, and leaves out nothing. */
export const missing = !existsSync(executablePath) && process.env["REQUIRE_ALL"] !== "1"

/** Where a person can look at what the browser saw. */
const shots = fileURLToPath(new URL("../../../../coverage/dashboard/", import.meta.url))

let opened: Promise<Browser> | undefined
const browser = (): Promise<Browser> =>
  (opened ??= chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  }))
afterAll(async () => (await opened)?.close())

export const does = <A>(f: () => Promise<A>) => Effect.promise(f)

/** Opens the page, and fails when it asks for anything from elsewhere or says that something is wrong. */
export const open = (
  url: string,
  hash = "#/",
  options: { width?: number; colorScheme?: "light" | "dark" } = {}
) =>
  Effect.gen(function* () {
    const { colorScheme = "light", width = 1280 } = options
    const page = yield* Effect.acquireRelease(
      does(async () => (await browser()).newPage({ viewport: { width, height: 900 }, colorScheme })),
      (page) => does(() => page.close())
    )
    page.setDefaultTimeout(15_000)
    const wrong: Array<string> = []
    page.on("pageerror", (error) => wrong.push(error.message))
    page.on("request", (request) => {
      const asked = request.url()
      if (!asked.startsWith("data:") && new URL(asked).origin !== new URL(url).origin) wrong.push(asked)
    })
    page.on("console", (message) => {
      if (/Content.Security.Policy/i.test(message.text())) wrong.push(message.text())
    })
    yield* does(() => page.goto(`${url}/dashboard${hash}`))
    yield* does(() => page.getByTestId("verdict").waitFor())
    return { page, wrong }
  })

export const text = (page: Page, id: string) => does(() => page.getByTestId(id).first().innerText())

export const shoot = (page: Page, name: string) =>
  does(async () => {
    mkdirSync(shots, { recursive: true })
    await page.screenshot({ path: `${shots}${name}.png`, fullPage: true })
  })

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** Nothing is wider than the page, and axe finds nothing. */
export const usable = (page: Page, what: string) =>
  Effect.gen(function* () {
    const overflow = yield* does(() =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    )
    assert.isAtMost(overflow, 0, what)
    // Evaluated by the browser, not by the page, whose own policy forbids it.
    yield* does(() => page.evaluate(axe))
    const violations = yield* does(() =>
      page.evaluate(
        `axe.run().then((found) => found.violations.map(({ id, nodes }) => id + ": " + nodes[0].html))`
      )
    )
    assert.deepStrictEqual(violations, [], what)
  })
