// Where the page is: `#/`, `#/herds/<id>/<tab>`, `#/queues/<id>`. A link to each can be sent to others.
import { useEffect, useState } from "preact/hooks"

export type Route =
  | { readonly at: "all" }
  | { readonly at: "herd"; readonly id: string; readonly tab: string | undefined }
  | { readonly at: "queue"; readonly id: string }

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const parse = (hash: string): Route => {
  const [, kind, id, tab] = hash.split("/")
  if (id === undefined || id === "") return { at: "all" }
  if (kind === "herds") return { at: "herd", id: decoded(id), tab }
  if (kind === "queues") return { at: "queue", id: decoded(id) }
  return { at: "all" }
}

export const herdLink = (id: string, tab?: string): string =>
  `#/herds/${encodeURIComponent(id)}${tab === undefined ? "" : `/${tab}`}`
export const queueLink = (id: string): string => `#/queues/${encodeURIComponent(id)}`

export const useRoute = (): Route => {
  const [route, setRoute] = useState(() => parse(location.hash))
  useEffect(() => {
    const changed = () => {
      setRoute(parse(location.hash))
      scrollTo(0, 0)
    }
    addEventListener("hashchange", changed)
    return () => removeEventListener("hashchange", changed)
  }, [])
  return route
}
