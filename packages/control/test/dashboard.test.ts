import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { HerdRegistry, QueueRegistry, SystemMetrics } from "lemmings"
import { build } from "../scripts/build-dashboard.ts"
import { does, missing, open, shoot, text, usable } from "./support/browser.ts"
import { alone, Db, herd, Mail, serve, until } from "./support/control.ts"
import { named, owning } from "./support/night.ts"
import { queue } from "./support/queue.ts"

const db = "#/herds/app%2FDb"

/** What a fault looks like to whoever is on call. */
interface Night {
  readonly title: string
  readonly verdict: RegExp
  readonly sentence: RegExp
  readonly button: string
  /** Makes the fault, and returns whether it is mended. */
  readonly inject: Effect.Effect<Effect.Effect<boolean>, unknown, Scope.Scope>
  /** What the button does not do by itself. */
  readonly next?: ReadonlyArray<string>
  /** What is said in the end. */
  readonly after?: string
}

const nights: Readonly<Record<string, Night>> = {
  "a herd that is paused": {
    title: "(1) night",
    verdict: /1 warning.*0 of 1 are fine/s,
    sentence: /^app\/Reports is paused while 3 tasks wait/,
    button: "Resume",
    inject: Effect.gen(function* () {
      const one = yield* named("app/Reports")
      yield* one.pause
      for (let n = 0; n < 3; n++) yield* one.submit(Effect.void)
      return Effect.map(one.stats, ({ paused, tasks }) => !paused && tasks.succeeded === 3)
    })
  },
  "a herd whose tasks fail": {
    title: "(1) night",
    verdict: /1 problem.*0 of 1 are fine/s,
    sentence: /^app\/Notify fails 100 % of its tasks/,
    button: "Pause",
    // Nothing fails any more; what comes waits.
    after: "1 warning",
    inject: Effect.gen(function* () {
      const one = yield* named("app/Notify")
      yield* one
        .submit(Effect.die(new Error("greylisted")))
        .pipe(Effect.repeat(Schedule.spaced(20)), Effect.forkScoped)
      return Effect.map(one.stats, ({ paused }) => paused)
    })
  },
  "a herd that was resized to nothing": {
    title: "(1) night",
    verdict: /1 warning/,
    sentence: /^app\/Small was resized by hand to 0 of 8 workers, and tasks wait/,
    button: "Auto",
    inject: Effect.gen(function* () {
      const one = yield* named("app/Small", { scaling: undefined })
      yield* one.resize(0)
      yield* one.submit(Effect.void)
      return Effect.map(one.stats, ({ tasks }) => tasks.succeeded === 1)
    })
  },
  "a key on hold": {
    title: "(1) night",
    verdict: /1 warning/,
    sentence: /^app\/Api holds the key "tenant 7" while 1 task waits for it/,
    button: "Release",
    inject: Effect.gen(function* () {
      const one = yield* named("app/Api", { limits: { perKey: { concurrency: 1 } } })
      yield* one.hold("tenant 7", "10 minutes")
      yield* one.submit(Effect.void, { key: "tenant 7" })
      return Effect.map(one.stats, ({ tasks }) => tasks.succeeded === 1)
    })
  },
  "a queue that is paused": {
    title: "(1) night",
    verdict: /1 warning/,
    sentence: /^app\/Ship is paused while 12,345 jobs wait/,
    button: "Resume",
    inject: Effect.gen(function* () {
      const fake = yield* queue("app/Ship", 0)
      const { queues } = yield* QueueRegistry.QueueRegistry
      yield* Effect.orDie(queues().get("app/Ship")!.pause)
      return Effect.sync(() => fake.asked.includes("resume"))
    })
  },
  "dead letters": {
    title: "(1) night",
    verdict: /1 warning/,
    sentence: /^app\/SendInvoice has 30 dead letters/,
    button: "Review",
    next: ["replay-all", "confirm"],
    inject: Effect.gen(function* () {
      const fake = yield* queue("app/SendInvoice", 30)
      return Effect.sync(() => fake.letters.length === 0)
    })
  },
  "tasks that hang": {
    title: "(1) night",
    verdict: /1 problem/,
    sentence: /^app\/Stuck has all 1 workers busy, and none has finished/,
    button: "Open",
    next: ["interrupt", "confirm"],
    inject: Effect.gen(function* () {
      const one = yield* named("app/Stuck", { workers: { min: 1, max: 1 } })
      yield* one.submit(Effect.never, { label: "hangs" })
      yield* one.submit(Effect.void)
      // A minute ago.
      const { herds } = yield* HerdRegistry.HerdRegistry
      const real = herds().get("app/Stuck")!
      Object.assign(real, {
        stats: Effect.map(real.stats, (stats) =>
          stats.tasks.queued === 0
            ? stats
            : { ...stats, longestRunMillis: 61_000, queue: { ...stats.queue, oldestMillis: 61_000 } }
        )
      })
      return Effect.map(one.stats, ({ tasks }) => tasks.succeeded === 1)
    })
  }
}

// What the tests themselves ask of the process is no fault of the night.
const quiet = SystemMetrics.layerFake()

// Each has a server, herds and a page of its own, and mostly waits.
describe.skipIf(missing)("the dashboard in a real browser: questions at 3 a.m.", { concurrent: true }, () => {
  for (const [
    what,
    { after = "Everything is fine", button, inject, sentence, next = [], title, verdict }
  ] of Object.entries(nights)) {
    it.live(
      `${what}: title, verdict, sentence and button say so, and the button mends it`,
      () =>
        Effect.gen(function* () {
          const mended = yield* inject
          const { url } = yield* serve({ exposeErrors: true, service: "night" })
          const { page, wrong } = yield* open(url)
          const problem = page.getByTestId("problem")
          yield* does(() => problem.waitFor())
          const said = yield* text(page, "sentence")
          assert.match(said, sentence)
          assert.match(yield* text(page, "verdict"), verdict)
          assert.strictEqual(yield* does(() => page.title()), title)
          const remedy = problem.getByTestId("remedy")
          assert.strictEqual(
            (yield* does(() => remedy.innerText())).split("\n")[0]?.trim().startsWith(button),
            true
          )
          yield* does(() => remedy.click())
          for (const id of next) yield* does(() => page.getByTestId(id).first().click())
          yield* until(() => mended)
          yield* does(() => page.getByTestId("verdict").getByText(after).waitFor())
          yield* does(() => page.getByTestId("problem").getByText(said).waitFor({ state: "detached" }))
          assert.deepStrictEqual(wrong, [])
        }).pipe(Effect.provide(quiet), alone),
      60_000
    )
  }

  it.live(
    "workers that cannot be created and a store that is away say why, and are gone by themselves when that is",
    () =>
      Effect.gen(function* () {
        let up = false
        const down = yield* owning("app/Payments", () => up)
        yield* down.submit(Effect.void)
        const fake = yield* queue("orders/Charge", 0)
        fake.store = "away"
        fake.since = Date.now()
        const { url } = yield* serve({ exposeErrors: true, service: "night" })
        const { page } = yield* open(url)
        yield* does(() => page.getByText("every onCreate fails").waitFor())
        yield* does(() => page.getByText("cannot reach its store (postgres)").waitFor())
        const said = yield* does(() => page.getByLabel("Problems").innerText())
        assert.include(said, "ECONNREFUSED 10.0.4.7:5432")
        assert.include(said, "refused")
        assert.strictEqual(yield* does(() => page.title()), "(2) night")
        yield* does(() => page.locator(`[data-queue="orders/Charge"] a`).click())
        yield* does(() => page.getByText("Unknown while the store is away.").waitFor())
        assert.strictEqual(yield* text(page, "queue-waiting"), "unknown")
        up = true
        fake.store = "there"
        yield* does(() => page.getByText("Everything is fine").waitFor())
        assert.strictEqual(yield* text(page, "queue-waiting"), "12,345")
      }).pipe(Effect.provide(quiet), alone),
    60_000
  )
})

describe.skipIf(missing)("the dashboard in a real browser", () => {
  it.live(
    "shows a herd at work, resizes it, and the herd obeys",
    () =>
      Effect.gen(function* () {
        const one = yield* herd(Db, { workers: { min: 1, max: 12 } })
        yield* herd(Mail)
        yield* one
          .submit(Effect.sleep("20 millis"), { label: "query", key: "tenant", priority: "high" })
          .pipe(Effect.repeat(Schedule.spaced("2 millis")), Effect.forkScoped)
        for (let n = 0; n < 3; n++) yield* Effect.exit(one.run(Effect.fail("own"), { label: "broken" }))
        const stuck = yield* one.submit(Effect.never, { id: "stuck/1", label: "forever" })
        const { url } = yield* serve()
        const { page, wrong } = yield* open(url)
        assert.strictEqual(yield* text(page, "connection"), "live")
        assert.strictEqual(yield* does(() => page.getByTestId("herd-row").count()), 2)
        yield* does(() => page.locator(`[data-herd="app/Db"] a`).click())
        yield* does(() => page.getByTestId("herd").waitFor())
        assert.strictEqual(yield* text(page, "workers-size"), "12")
        assert.isAtLeast(yield* does(() => page.locator(".chart canvas").count()), 5)
        assert.strictEqual(new URL(page.url()).hash, db)

        // Resized by hand: the herd, then the page.
        yield* does(() => page.getByTestId("resize-input").fill("7"))
        yield* does(() => page.getByTestId("resize-apply").click())
        yield* until(() => Effect.map(one.target, (target) => target === 7))
        yield* does(() => page.getByTestId("workers-size").getByText("7", { exact: true }).waitFor())
        yield* does(() => page.getByTestId("why").getByText("asked for").waitFor())
        yield* does(() => page.getByText("size pinned").waitFor())

        // A number that the herd refuses changes nothing, and says why.
        yield* does(() => page.getByTestId("resize-input").fill("99"))
        yield* does(() => page.getByTestId("resize-apply").click())
        yield* does(() => page.getByTestId("error").waitFor())
        assert.match(yield* text(page, "error"), /target must be an integer from 0 to workers.max \(12\)/)
        assert.strictEqual(yield* one.target, 7)

        yield* does(() => page.getByTestId("max-input").fill("9"))
        yield* does(() => page.getByTestId("bounds-apply").click())
        yield* until(() => Effect.map(one.stats, ({ workers }) => workers.max === 9))

        // Paused, and taken back.
        yield* does(() => page.getByTestId("pause").click())
        yield* until(() => Effect.map(one.stats, ({ paused }) => paused))
        yield* does(() => page.getByTestId("undo").click())
        yield* until(() => Effect.map(one.stats, ({ paused }) => !paused))

        // Asked back, by mouse and by keyboard: no is no.
        const row = page.getByTestId("running-row").filter({ hasText: "stuck/1" })
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

        yield* does(() => page.getByTestId("tab-failures").click())
        yield* does(() => page.getByTestId("failure-group").getByText("3×").waitFor())
        yield* does(() => page.getByText("exposeErrors: true").first().waitFor())
        yield* shoot(page, "herd")

        yield* does(() => page.goto(`${url}/dashboard#/herds/app%2FMail`))
        yield* does(() => page.locator(`[data-herd="app/Mail"]`).getByTestId("more").click())
        yield* does(() => page.getByTestId("drain").click())
        yield* does(() => page.getByTestId("confirm").click())
        yield* does(() => page.getByText("Drained: it takes no more tasks").waitFor())
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )

  it.live(
    "keys of flow control: the largest with what they wait for, a hold and its end, and why a task waits",
    () =>
      Effect.gen(function* () {
        const one = yield* named("app/Api", {
          limits: { perKey: { concurrency: 2, rate: { limit: 1000, per: "1 second" } } },
          queue: { order: "fair" }
        })
        for (let n = 0; n < 5; n++) yield* one.submit(Effect.never, { key: "tenant/7", id: `t/${n}` })
        const { url } = yield* serve()
        const { page, wrong } = yield* open(url, "#/herds/app%2FApi/keys")
        const row = page.locator(`[data-key="tenant/7"]`)
        yield* does(() => row.waitFor())
        const cells = yield* does(() => row.innerText())
        assert.match(cells, /tenant\/7\s+0\s+3\s+2 of 2\s+100 % share 1/)
        yield* does(() => row.getByTestId("hold").click())
        yield* does(() => row.getByText("on hold").waitFor())
        yield* does(() => row.getByTestId("release").click())
        yield* does(() => row.getByTestId("hold").waitFor())
        yield* does(() => page.getByTestId("tab-waiting").click())
        yield* does(() => page.getByTestId("explain").first().click())
        yield* does(() => page.getByText(`Key "tenant/7" runs as much as it may at one time.`).waitFor())
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )

  it.live(
    "loses the server, says as of when it shows what it does, and finds another in its place by itself",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        const scope = yield* Scope.make()
        const { url } = yield* Scope.provide(serve(), scope)
        const port = Number(new URL(url).port)
        const { page } = yield* open(url, db)
        yield* does(() => page.getByTestId("pause").waitFor())
        yield* Scope.close(scope, Exit.void)
        yield* does(() => page.getByText("reconnecting").waitFor())
        yield* does(() => page.getByTestId("stale").getByText("Shown as of").waitFor())
        assert.isTrue(yield* does(() => page.getByTestId("pause").isDisabled()))
        yield* serveAt(port)
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
        const one = yield* herd(Db)
        yield* one
          .runAll(Array.from({ length: 500 }, () => Effect.yieldNow))
          .pipe(Effect.andThen(Effect.sleep(1)), Effect.forever, Effect.forkScoped)
        const { url } = yield* serve()
        const { page } = yield* open(url, db)
        const changes = yield* does(() =>
          page.evaluate(
            () =>
              new Promise<number>((resolve) => {
                // One callback for everything that a drawing changes.
                let drawings = 0
                const observer = new MutationObserver(() => drawings++)
                observer.observe(document.body, { subtree: true, childList: true, characterData: true })
                setTimeout(() => resolve(drawings), 1000)
              })
          )
        )
        assert.isAtLeast(changes, 1)
        assert.isAtMost(changes, 12)
      }).pipe(alone),
    60_000
  )

  it.live(
    "is used by keyboard alone: skip link, filter, rows, one herd and back",
    () =>
      Effect.gen(function* () {
        yield* herd(Db)
        yield* herd(Mail)
        yield* queue("app/SendEmail", 1)
        const { url } = yield* serve()
        const { page } = yield* open(url)
        const focused = does(() => page.evaluate(() => document.activeElement?.textContent ?? ""))
        const press = (...keys: ReadonlyArray<string>) =>
          Effect.forEach(keys, (key) => does(() => page.keyboard.press(key)), { discard: true })
        yield* press("Tab")
        assert.strictEqual(yield* focused, "Skip to the herds")
        yield* press("Enter")
        assert.strictEqual(yield* does(() => page.evaluate(() => document.activeElement?.id)), "main")
        yield* press("/")
        yield* does(() => page.locator("#filter:focus").waitFor())
        yield* does(() => page.keyboard.type("mail"))
        yield* does(() => page.getByText("1 of 2 herds").waitFor())
        yield* press("Escape", "Escape")
        // The problem of the queue, the herds.
        yield* press("j", "j", "j", "k")
        assert.strictEqual(yield* focused, "app/Db")
        yield* press("Enter")
        yield* does(() => page.locator("#title:focus").getByText("app/Db").waitFor())
        yield* press("?")
        yield* does(() => page.getByTestId("keys-help").waitFor())
        yield* press("Escape")
        yield* does(() => page.getByTestId("keys-help").waitFor({ state: "detached" }))
        yield* press("Escape")
        yield* does(() => page.getByTestId("herd-row").first().waitFor())
        yield* press("g", "q")
        yield* does(() => page.locator("#queues-title:focus").waitFor())
        yield* press("g", "h")
        yield* does(() => page.locator("#herds-title:focus").waitFor())
      }).pipe(alone),
    60_000
  )

  for (const [name, width, colorScheme] of [
    ["phone", 400, "light"],
    ["dark", 1280, "dark"]
  ] as const) {
    it.live(
      `can be read and used by everybody: ${name}`,
      () =>
        Effect.gen(function* () {
          const one = yield* herd(Db)
          yield* Effect.exit(one.run(Effect.fail("own")))
          yield* one.submit(Effect.never)
          const paused = yield* herd(Mail)
          yield* paused.pause
          yield* paused.submit(Effect.void)
          yield* queue("app/SendEmail", 3)
          const { url } = yield* serve({ exposeErrors: true })
          const { page, wrong } = yield* open(url, "#/", { width, colorScheme })
          yield* does(() => page.getByTestId("problem").first().waitFor())
          yield* shoot(page, name)
          yield* usable(page, "all")
          yield* does(() => page.goto(`${url}/dashboard${db}`))
          yield* does(() => page.getByTestId("herd").waitFor())
          yield* usable(page, "herd")
          assert.deepStrictEqual(wrong, [])
        }).pipe(alone),
      60_000
    )
  }

  it.live(
    "a read-only page has no controls",
    () =>
      Effect.gen(function* () {
        const one = yield* herd(Db)
        yield* one.submit(Effect.never)
        yield* one.pause
        yield* one.submit(Effect.void)
        const { url } = yield* serve({ readOnly: true })
        const { page } = yield* open(url, db)
        yield* does(() => page.getByText("read-only").waitFor())
        yield* does(() => page.getByTestId("running-row").waitFor())
        for (const id of ["resize-apply", "pause", "resume", "drain", "interrupt", "remedy"])
          assert.strictEqual(yield* does(() => page.getByTestId(id).count()), 0, id)
      }).pipe(alone),
    60_000
  )

  it.live(
    "shows a queue of jobs, groups its dead letters, and replays and purges what was chosen",
    () =>
      Effect.gen(function* () {
        const fake = yield* queue("app/SendEmail", 23)
        for (const one of fake.letters.slice(0, 3))
          Object.assign(one, { reason: "timeout", error: "no answer" })
        for (const one of fake.letters.slice(3)) Object.assign(one, { error: "no such mailbox" })
        const { url } = yield* serve({ exposeErrors: true, exposePayloads: true })
        const { page, wrong } = yield* open(url, "#/queues/app%2FSendEmail")
        const groups = page.getByTestId("letter-group")
        yield* does(() => groups.first().getByText("20×").waitFor())
        assert.match(yield* does(() => groups.nth(1).innerText()), /3× timed out: no answer/)
        assert.strictEqual(yield* text(page, "queue-waiting"), "12,345")
        assert.strictEqual(yield* text(page, "queue-oldest"), "1 min 1 s")
        yield* shoot(page, "queue")

        // One job with what is known of it.
        yield* does(() => groups.nth(1).locator("summary b").click())
        yield* does(() => groups.nth(1).getByTestId("letter").first().click())
        yield* does(() => page.getByTestId("drawer").getByText("user1@example.com").waitFor())
        yield* does(() => page.keyboard.press("Escape"))

        // One that was chosen.
        yield* does(() => groups.nth(1).getByTestId("choose").first().check())
        yield* does(() => page.getByTestId("replay-all").getByText("Replay 1").click())
        yield* until(() => Effect.sync(() => fake.asked.includes(`replay {"ids":["letter-1"]}`)))
        yield* does(() => groups.nth(1).getByText("2×").waitFor())

        // A group, purged after its number was typed.
        yield* does(() => groups.nth(1).locator("summary input").check())
        yield* does(() => page.getByTestId("purge-all").getByText("Purge 2").click())
        assert.isTrue(yield* does(() => page.getByTestId("confirm").isDisabled()))
        yield* does(() => page.getByTestId("type").fill("2"))
        yield* does(() => page.getByTestId("confirm").click())
        yield* until(() => Effect.sync(() => fake.letters.length === 20))

        // All, asked back: no is no.
        yield* does(() => page.getByTestId("replay-all").getByText("Replay 20").click())
        yield* does(() => page.getByTestId("cancel").click())
        assert.strictEqual(fake.letters.length, 20)
        yield* does(() => page.getByTestId("replay-all").click())
        yield* does(() => page.getByTestId("confirm").click())
        yield* until(() => Effect.sync(() => fake.letters.length === 0))
        yield* does(() => page.getByText("None.").waitFor())

        yield* does(() => page.getByTestId("queue-pause").click())
        yield* does(() => page.getByTestId("queue-resume").click())
        yield* does(() => page.getByTestId("queue-pause").waitFor())
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )

  it.live(
    "shows texts of others as texts, wherever they stand",
    () =>
      Effect.gen(function* () {
        const evil = (n: number) =>
          `<img src=x onerror="document.title='${n}'"></script><script>document.title='${n}'</script>`
        const one = yield* named(evil(1), { workers: { min: 1, max: 1 } })
        const failing = { label: evil(2), key: evil(3), id: evil(4) }
        yield* Effect.exit(one.run(Effect.die(new Error(evil(5))), failing))
        yield* one.submit(Effect.never, { label: evil(6), key: evil(7), id: evil(8) })
        yield* one.submit(Effect.never, { label: evil(9), key: evil(10) })
        yield* queue(evil(11), 2)
        const { url } = yield* serve({ exposeErrors: true, exposePayloads: true })
        const { page, wrong } = yield* open(url)
        for (const hash of [
          "#/",
          `#/herds/${encodeURIComponent(evil(1))}/running`,
          `#/herds/${encodeURIComponent(evil(1))}/failures`,
          `#/queues/${encodeURIComponent(evil(11))}`
        ]) {
          yield* does(() => page.goto(`${url}/dashboard${hash}`))
          yield* does(() => page.locator("article, table").first().waitFor())
          yield* Effect.sleep("300 millis")
          assert.notMatch(yield* does(() => page.title()), /^\d+$/)
          assert.strictEqual(yield* does(() => page.locator("img").count()), 0)
          assert.include(yield* does(() => page.innerText("body")), "<img src=x")
        }
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )

  it.live(
    "the documents ask for nothing from elsewhere, /dashboard/ is the page, and without a herd it says how to begin",
    () =>
      Effect.gen(function* () {
        const { url } = yield* serve()
        const { page, wrong } = yield* open(url)
        yield* does(() => page.getByText("No herd is there yet").waitFor())
        const asked: Array<string> = []
        page.on("request", (request) => asked.push(request.url()))
        yield* does(() => page.goto(`${url}/docs`))
        yield* does(() => page.getByText("PATCH /herds/{id}", { exact: true }).waitFor())
        assert.deepStrictEqual(
          asked.filter((one) => !one.includes("/frames")),
          [`${url}/docs`]
        )
        yield* does(() => page.goto(`${url}/dashboard/`))
        yield* does(() => page.getByTestId("verdict").waitFor())
        assert.deepStrictEqual(wrong, [])
      }).pipe(alone),
    60_000
  )
})

it("the script stays below 60 kB as it travels", async () => {
  assert.isBelow(await build(), 60_000)
})

/** A server where the one before was. */
const serveAt = (port: number) => Effect.map(serve({ port }), () => undefined)
