/** The page for people: three files that the package carries, and nothing from elsewhere. */
import { Effect, FileSystem, Path } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ControlSettings } from "../model/Settings.ts"

interface Asset {
  readonly plain: Uint8Array
  readonly gzipped: Uint8Array
}

const files = [
  { path: "/dashboard", file: "index.html", type: "text/html; charset=utf-8" },
  { path: "/dashboard/app.js", file: "app.js", type: "text/javascript; charset=utf-8" },
  { path: "/dashboard/style.css", file: "style.css", type: "text/css; charset=utf-8" }
] as const

// Charts set styles from the script.
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const gzip = (plain: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.promise(async () => {
    const compressed = new Blob([new Uint8Array(plain)]).stream().pipeThrough(new CompressionStream("gzip"))
    return new Uint8Array(await new Response(compressed).arrayBuffer())
  })

const notBuilt = HttpServerResponse.text(
  "The dashboard has not been built. In a checkout, run `pnpm build:dashboard`; the published package carries it.\n",
  { status: 503 }
)

/** Serves the page at `/dashboard`. */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { prefix } = yield* ControlSettings
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* Effect.orDie(path.fromFileUrl(new URL("../../assets/", import.meta.url)))
    for (const { file, path: at, type } of files) {
      // Read when it is first asked for, and then kept.
      const load = yield* Effect.cached(
        Effect.gen(function* () {
          const plain = yield* fs.readFile(path.join(folder, file))
          return { plain, gzipped: yield* gzip(plain) } satisfies Asset
        })
      )
      const send = Effect.gen(function* () {
        const { gzipped, plain } = yield* load
        const { headers, url } = yield* HttpServerRequest.HttpServerRequest
        // From there the page would look for its files in another folder.
        if (/\/(\?|$)/.test(url)) return HttpServerResponse.redirect(`${prefix}${at}`, { status: 308 })
        const zipped = /\bgzip\b/.test(headers["accept-encoding"] ?? "")
        return HttpServerResponse.uint8Array(zipped ? gzipped : plain, {
          contentType: type,
          headers: {
            "content-security-policy": policy,
            vary: "accept-encoding",
            ...(zipped ? { "content-encoding": "gzip" } : {})
          }
        })
      })
      yield* router.add(
        "GET",
        at,
        Effect.catch(send, () => Effect.succeed(notBuilt))
      )
    }
  })
)
