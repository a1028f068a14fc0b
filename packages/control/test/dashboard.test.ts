import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { Herd } from "lemmings"
import { fileURLToPath } from "node:url"
import { chromium, type Page } from "playwright-core"
import { alone, Db, herd, Mail, serve, until } from "./support/control.ts"
import { queue } from "./support/queue.ts"

const executablePath = "/usr/bin/chromium"
/** CI installs the browser, and leaves out nothing. */
const missing = !existsSync(executablePath) && process.env["REQUIRE_ALL"] !== "1"

/** Where a person can look at what the browser saw. */
const shots = fileURLToPath(new URL("../../../coverage/dashboard/", import.meta.url))

const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
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
    })
  ),
  (opened) => Effect.promise(() => opened.close())
)

/** Opens the page, and fails when it asks for anything from elsewhere or says that something is wrong. */
const open = (url: string, options: { width?: number; colorScheme?: "light" | "dark" } = {}) =>
  Effect.gen(function* () {
    const { colorScheme = "light", width = 1440 } = options
    const opened = yield* browser
    const page = yield* Effect.promise(() =>
      opened.newPage({ viewport: { width, height: 1000 }, colorScheme })
    )
    const wrong: Array<string> = []
    page.on("pageerror", (error) => wrong.push(error.message))
    page.on("request", (request) => {
      const { hostname } = new URL(request.url())
      if (hostname !== "127.0.0.1" && !request.url().startsWith("data:")) wrong.push(request.url())
    })
    page.on("console", (message) => {
      if (/Content.Security.Policy/i.test(message.text())) wrong.push(message.text())
    })
    yield* Effect.promise(() => page.goto(`${url}/dashboard`))
    yield* Effect.promise(() => page.waitForSelector("[data-testid=herd]"))
    return { page, wrong }
  })

const does = <A>(f: () => Promise<A>) => Effect.promise(f)
const text = (page: Page, id: string) => does(() => page.getByTestId(id).first().innerText())
const shoot = (page: Page, name: string) =>
  does(async () => {
    mkdirSync(shots, { recursive: true })
    await page.screenshot({ path: `${shots}${name}.png` })
  })

describe.skipIf(missing)("the dashboard in a real browser", () => {
  it.live(
    "shows a herd at work, resizes it, and the herd obeys",
    () =>
      Effect.gen(function* () {
        const db = yield* herd(Db, { workers: { min: 1, max: 12 } })
        yield* herd(Mail)
        yield* db
          .submit(Effect.sleep("20 millis"), { label: "query", key: "tenant", priority: "high" })
          .pipe(Effect.repeat(Schedule.spaced("2 millis")), Effect.forkScoped)
        for (let n = 0; n < 3; n++) yield* Effect.exit(db.run(Effect.fail("own"), { label: "broken" }))
        const stuck = yield* db.submit(Effect.never, { id: "stuck/1", label: "forever" })
        const { url } = yield* serve()
        const { page, wrong } = yield* open(url)
        assert.strictEqual(yield* text(page, "connection"), "live")
        assert.strictEqual(yield* text(page, "workers-size"), "12")
        assert.strictEqual(yield* does(() => page.getByTestId("herd").count()), 2)
        assert.isAtLeast(yield* does(() => page.getByTestId("failure-row").count()), 3)
        assert.isAtLeast(yield* does(() => page.locator(".chart canvas").count()), 8)
        const section = page.locator(`[data-herd="app/Db"]`)

        // Resized by hand: the herd, then the page.
        yield* does(() => section.getByTestId("resize-input").fill("7"))
        yield* does(() => section.getByTestId("resize-apply").click())
        yield* until(() => Effect.map(db.target, (target) => target === 7))
        yield* does(() => section.getByText("7", { exact: true }).first().waitFor())
        yield* does(() => section.getByText("asked for").waitFor())
        yield* does(() => section.getByText("target pinned").waitFor())

        // A number that the herd refuses changes nothing, and says why.
        yield* does(() => section.getByTestId("resize-input").fill("99"))
        yield* does(() => section.getByTestId("resize-apply").click())
        assert.match(yield* text(page, "error"), /target must be an integer from 0 to workers.max \(12\)/)
        assert.strictEqual(yield* db.target, 7)

        yield* does(() => section.getByTestId("max-input").fill("9"))
        yield* does(() => section.getByTestId("bounds-apply").click())
        yield* until(() => Effect.map(db.stats, ({ workers }) => workers.max === 9))

        yield* does(() => section.getByTestId("pause").click())
        yield* until(() => Effect.map(db.stats, ({ paused }) => paused))
        yield* does(() => section.getByTestId("resume").click())
        yield* until(() => Effect.map(db.stats, ({ paused }) => !paused))

        // Asked back, by mouse and by keyboard: no is no.
        const row = section.getByTestId("running-row").filter({ hasText: "stuck/1" })
        yield* does(() => row.getByTestId("interrupt").click())
        yield* does(() => page.getByTestId("cancel").click())
        yield* does(() => row.getByTestId("interrupt").click())
        yield* does(() => page.getByTestId("confirm").waitFor())
        yield* does(() => page.keyboard.press("Escape"))
        yield* does(() => page.getByTestId("confirm").waitFor({ state: "detached" }))
        assert.strictEqual(yield* stuck.status, "running")
        yield* does(() => row.getByTestId("interrupt").click())
        yield* does(() => page.getByTestId("confirm").click())
        assert.isTrue(Exit.isFailure(yield* stuck.await))

        yield* shoot(page, "light")
        yield* does(() => page.locator(`[data-herd="app/Mail"]`).getByTestId("drain").click())
        yield* does(() => page.getByTestId("confirm").click())
        yield* does(() => page.locator(`[data-herd="app/Mail"] .badge.closed`).waitFor())
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )

  it.live(
    "loses the server, says so, and finds it again by itself",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        const scope = yield* Scope.make()
        const { url } = yield* Scope.provide(serve(), scope)
        const port = Number(new URL(url).port)
        const { page } = yield* open(url)
        yield* Scope.close(scope, Exit.void)
        yield* does(() => page.getByText("reconnecting").waitFor())
        yield* does(() => page.getByTestId("pause").click())
        yield* does(() => page.getByText("The server cannot be reached").waitFor())
        yield* shoot(page, "lost")
        yield* Scope.provide(serveAt(port), yield* Effect.scope)
        yield* does(() => page.getByTestId("connection").getByText("live").waitFor())
        yield* does(() => page.getByTestId("resize-input").fill("2"))
        yield* does(() => page.getByTestId("resize-apply").click())
        yield* does(() => page.getByTestId("workers-size").getByText("2").waitFor())
      }).pipe(alone),
    60_000
  )

  it.live(
    "draws at most ten times a second, however busy the herd",
    () =>
      Effect.gen(function* () {
        const db = yield* herd(Db)
        yield* db
          .runAll(Array.from({ length: 500 }, () => Effect.yieldNow))
          .pipe(Effect.andThen(Effect.sleep(1)), Effect.forever, Effect.forkScoped)
        const { url } = yield* serve()
        const { page } = yield* open(url)
        const changes = yield* does(() =>
          page.evaluate(
            () =>
              new Promise<number>((resolve) => {
                // One callback for everything that a drawing changes.
                let drawings = 0
                const observer = new MutationObserver(() => drawings++)
                observer.observe(document.body, { subtree: true, childList: true, characterData: true })
                setTimeout(() => resolve(drawings), 2000)
              })
          )
        )
        assert.isAtLeast(changes, 1)
        assert.isAtMost(changes, 22)
      }).pipe(alone),
    60_000
  )

  for (const [name, width, colorScheme] of [
    ["phone", 360, "light"],
    ["dark", 1440, "dark"]
  ] as const) {
    it.live(
      `can be read and used by everybody: ${name}`,
      () =>
        Effect.gen(function* () {
          const db = yield* herd(Db)
          yield* Effect.exit(db.run(Effect.fail("own")))
          yield* db.submit(Effect.never)
          const { url } = yield* serve({ exposeErrors: true })
          const { page, wrong } = yield* open(url, { width, colorScheme })
          yield* shoot(page, name)
          const overflow = yield* does(() =>
            page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
          )
          assert.isAtMost(overflow, 0)
          const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
          // Evaluated by the browser, not by the page, whose own policy forbids it.
          yield* does(() => page.evaluate(axe))
          const violations = yield* does(() =>
            page.evaluate(`axe.run().then((found) =>
            found.violations.map(({ id, nodes }) => id + ": " + nodes[0].html))`)
          )
          assert.deepStrictEqual(violations, [])
          assert.deepStrictEqual(wrong, [])
        }).pipe(alone),
      60_000
    )
  }

  it.live(
    "a read-only page has no controls",
    () =>
      Effect.gen(function* () {
        const db = yield* herd(Db)
        yield* db.submit(Effect.never)
        const { url } = yield* serve({ readOnly: true })
        const { page } = yield* open(url)
        yield* does(() => page.getByText("read-only").waitFor())
        for (const id of ["resize-apply", "pause", "drain", "interrupt"])
          assert.strictEqual(yield* does(() => page.getByTestId(id).count()), 0, id)
      }).pipe(alone),
    60_000
  )

  it.live(
    "shows a queue of jobs, replays and purges its dead letters, and says when its store is away",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        const fake = yield* queue("app/SendEmail", 23)
        const { url } = yield* serve({ exposeErrors: true })
        const { page, wrong } = yield* open(url)
        const section = page.locator(`[data-queue="app/SendEmail"]`)
        const rows = section.getByTestId("letter-row")
        yield* does(() => rows.first().waitFor())
        assert.strictEqual(yield* does(() => rows.count()), 20)
        assert.strictEqual(yield* text(page, "queue-waiting"), "12,345")
        assert.strictEqual(yield* text(page, "queue-oldest"), "1 min 1 s")
        yield* does(() => section.getByText("and 3 more, which died later").waitFor())
        yield* does(() => section.getByText("no such mailbox 20").waitFor())
        yield* shoot(page, "queue")

        // One, asked back: no is no.
        yield* does(() => rows.nth(1).getByTestId("replay").click())
        yield* does(() => page.getByTestId("cancel").click())
        assert.strictEqual(fake.letters.length, 23)
        yield* does(() => rows.nth(1).getByTestId("replay").click())
        yield* does(() => page.getByTestId("confirm").click())
        yield* until(() => Effect.sync(() => fake.letters.length === 22))
        assert.include(fake.asked, `replay {"ids":["letter-2"]}`)
        yield* does(() => section.getByText("and 2 more, which died later").waitFor())

        yield* does(() => rows.first().getByTestId("purge").click())
        yield* does(() => page.getByTestId("confirm").click())
        yield* until(() => Effect.sync(() => fake.asked.includes(`purge {"ids":["letter-1"]}`)))

        yield* does(() => section.getByTestId("queue-pause").click())
        yield* does(() => section.getByTestId("queue-resume").waitFor())
        yield* does(() => section.getByTestId("queue-resume").click())
        yield* does(() => section.getByTestId("queue-pause").waitFor())

        fake.store = "away"
        yield* does(() => section.getByText("unavailable").waitFor())
        fake.store = "there"
        yield* does(() => section.getByText("ready", { exact: true }).waitFor())

        yield* does(() => section.getByTestId("replay-all").click())
        yield* does(() => page.getByTestId("confirm").click())
        yield* until(() => Effect.sync(() => fake.letters.length === 0))
        yield* does(() => section.getByText("None.").waitFor())
        assert.deepStrictEqual(wrong, [])

        const readOnly = yield* serve({ readOnly: true })
        const other = yield* open(readOnly.url)
        yield* does(() => other.page.getByTestId("queue").waitFor())
        assert.strictEqual(yield* does(() => other.page.getByTestId("queue-pause").count()), 0)
      }).pipe(alone),
    60_000
  )

  it.live(
    "shows texts of others as texts, wherever they stand",
    () =>
      Effect.gen(function* () {
        const evil = (n: number) =>
          `<img src=x onerror="document.title='${n}'"></script><script>document.title='${n}'</script>`
        const one = yield* herd(class X extends Herd.Service<X>()(evil(1), { sheds: true }) {}, {
          workers: { min: 1, max: 1 }
        })
        const failing = { label: evil(2), key: evil(3), id: evil(4) }
        yield* Effect.exit(one.run(Effect.die(new Error(evil(5))), failing))
        yield* one.submit(Effect.never, { label: evil(6), key: evil(7), id: evil(8) })
        yield* one.submit(Effect.never, { label: evil(9), key: evil(10) })
        yield* queue(evil(11), 2)
        const { url } = yield* serve({ exposeErrors: true, exposePayloads: true })
        const { page, wrong } = yield* open(url)
        yield* does(() => page.getByTestId("queue").waitFor())
        yield* Effect.sleep("1 second")
        assert.notMatch(yield* does(() => page.title()), /^\d+$/)
        assert.strictEqual(yield* does(() => page.locator("img").count()), 0)
        assert.include(yield* does(() => page.innerText("body")), evil(1))
        yield* does(() => page.goto(`${url}/docs`))
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )

  it.live(
    "the documents ask for nothing from elsewhere, and /dashboard/ is the page",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        const { url } = yield* serve()
        const { page, wrong } = yield* open(url)
        const asked: Array<string> = []
        page.on("request", (request) => asked.push(request.url()))
        yield* does(() => page.goto(`${url}/docs`, { waitUntil: "networkidle" }))
        yield* does(() => page.getByText("PATCH /herds/{id}", { exact: true }).waitFor())
        assert.deepStrictEqual(asked, [`${url}/docs`])
        yield* does(() => page.goto(`${url}/dashboard/`))
        yield* does(() => page.waitForSelector("[data-testid=herd]"))
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )
})

/** A server where the one before was. */
const serveAt = (port: number) => Effect.map(serve({ port }), () => undefined)
