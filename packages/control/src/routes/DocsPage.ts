/**
 * The API for people: one page without a script, made of the API's own declaration. Nothing of it comes from elsewhere.
 */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { OpenApi } from "effect/http-api"
import { ControlApi } from "../api/ControlApi.ts"
import { ControlSettings } from "../model/Settings.ts"

const policy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const style = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em }
pre { overflow-x: auto; padding: 0.5rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
h3 { margin-bottom: 0 } h3 code { font-size: 1rem } td { padding-right: 1.5rem; vertical-align: top }
th { text-align: left }`

/** The parts of the document that are shown. */
interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly parameters?: ReadonlyArray<{
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly description?: string
  }>
  readonly requestBody?: { readonly content?: Content }
  readonly responses?: { readonly [status: string]: { readonly description?: string } }
  readonly security?: ReadonlyArray<object>
  readonly tags?: ReadonlyArray<string>
}
type Content = { readonly [type: string]: { readonly schema?: unknown } }

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`)

const codeOf = (text: string): string => `<code>${escape(text)}</code>`

const parametersOf = ({ parameters = [] }: Operation): string => {
  const shown = parameters.filter((parameter) => parameter.in !== "header")
  if (shown.length === 0) return ""
  const rows = shown.map(
    (one) =>
      `<tr><td>${codeOf(one.name)}</td><td>${one.in}${one.required === true ? "" : ", may be left away"}</td><td>${escape(one.description ?? "")}</td></tr>`
  )
  return `<table>${rows.join("")}</table>`
}

const bodyOf = ({ requestBody }: Operation): string => {
  const [content] = Object.values(requestBody?.content ?? {})
  return content === undefined
    ? ""
    : `<p>Body, as JSON Schema:</p><pre>${escape(JSON.stringify(content.schema, null, 2))}</pre>`
}

const operationOf = (prefix: string, path: string, method: string, operation: Operation): string => {
  const text = operation.description ?? operation.summary ?? ""
  const statuses = Object.keys(operation.responses ?? {}).map(codeOf)
  return `<h3>${codeOf(`${method.toUpperCase()} ${prefix}${path}`)}</h3>
${text === "" ? "" : `<p>${escape(text)}</p>`}
${parametersOf(operation)}${bodyOf(operation)}
<p>Answers ${statuses.join(", ")}.${(operation.security ?? []).length > 0 ? " Asks for the token." : ""}</p>`
}

/**
 * The page, for an API under this prefix.
 */
const format = (prefix: string): string => {
  const { info, paths, tags } = OpenApi.fromApi(ControlApi)
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods as { readonly [method: string]: Operation }).map(([method, operation]) => ({
      tag: operation.tags?.[0] ?? "",
      html: operationOf(prefix, path, method, operation)
    }))
  )
  const groups = tags.map(({ description = "", name }) => {
    const own = operations.filter(({ tag }) => tag === name).map(({ html }) => html)
    return `<h2>${escape(name)}</h2><p>${escape(description)}</p>${own.join("\n")}`
  })
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)}</title><style>${style}</style>
<h1>${escape(info.title)}</h1>
<p>${escape(info.description ?? "")} For programs: <a href="${prefix}/openapi.json">openapi.json</a>.
For people: <a href="${prefix}/dashboard">the dashboard</a>. An error is JSON with a <code>_tag</code> and a
<code>message</code>. <code>GET ${prefix}/metrics</code> answers Prometheus.</p>
${groups.join("\n")}
</html>
`
}

/** Serves the page at `/docs`. */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { prefix } = yield* ControlSettings
    // Made when it is first asked for.
    const page = yield* Effect.cached(Effect.sync(() => format(prefix)))
    const send = Effect.map(page, (html) =>
      HttpServerResponse.text(html, {
        contentType: "text/html; charset=utf-8",
        headers: { "content-security-policy": policy }
      })
    )
    yield* router.add("GET", "/docs", send)
  })
)
