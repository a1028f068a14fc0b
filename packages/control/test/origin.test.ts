import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { alone, Db, herd, serve } from "./support/control.ts"

/** What a page may ask for, by its policy: nothing that a server elsewhere would hear of. */
const own = new Set(["'self'", "'none'", "'unsafe-inline'", "data:"])

/** Addresses that a page names, in its tags and in its styles. */
const named = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(/(?:\b(?:src|srcset|href|action|poster|data)=|url\(|@import)\s*["']?([^"'\s)>]+)/g)]
    .map(([, address = ""]) => address)
    .filter((address) => !address.startsWith("data:"))

describe.each([undefined, "/ops"] as const)("the pages below %j ask their own origin alone", (prefix) => {
  const below = prefix ?? ""
  it.live("by what they name, and by the policy that the browser keeps", () =>
    Effect.gen(function* () {
      yield* herd(Db)
      const { ask, url } = yield* serve({ prefix })
      for (const path of ["/docs", "/dashboard"]) {
        const page = yield* ask("GET", `${below}${path}`)
        assert.strictEqual(page.status, 200, path)
        const found = named(page.text)
        assert.isAbove(found.length, 0, path)
        for (const address of found) {
          const { origin, pathname } = new URL(address, `${url}${below}${path}`)
          assert.strictEqual(origin, url, `${path} names ${address}`)
          assert.strictEqual((yield* ask("GET", pathname)).status, 200, `${path} names ${address}`)
        }
        const policy = (page.headers.get("content-security-policy") ?? "").split("; ")
        assert.match(policy[0] ?? "", /^default-src '(self|none)'$/, path)
        for (const directive of policy)
          for (const source of directive.split(" ").slice(1)) assert.isTrue(own.has(source), directive)
      }
    }).pipe(alone)
  )

  it.live("the page of documents needs not even that", () =>
    Effect.gen(function* () {
      const { ask } = yield* serve({ prefix })
      const { headers, text } = yield* ask("GET", `${below}/docs`)
      assert.match(
        headers.get("content-security-policy") ?? "",
        /^default-src 'none'; style-src 'unsafe-inline';/
      )
      // Links are followed by a person alone.
      assert.notMatch(text, /<(script|link|img|iframe|object|embed|form|video|audio)\b|\bsrc=|url\(|@import/)
    }).pipe(alone)
  )
})
