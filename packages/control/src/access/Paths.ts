/**
 * The paths of the API, for answers where the router has none: which methods a path has, and what is wrong with it.
 */

export interface Paths {
  readonly add: (method: string, path: string) => void
  /** The methods of the path that this text matches, as it stands in a request. `undefined`: none matches. */
  readonly methods: (text: string) => ReadonlyArray<string> | undefined
}

const pathOf = (target: string): string => /^[^?#]*/.exec(target)?.[0] ?? ""

/** Whether the percent signs of a path are followed by UTF-8 in two digits each. */
export const isDecodable = (target: string): boolean => {
  try {
    decodeURIComponent(pathOf(target))
    return true
  } catch {
    return false
  }
}

/** The names in the query of a request's target, in its order. */
export const queryNames = (target: string): ReadonlyArray<string> => {
  const query = /\?([^#]*)/.exec(target)?.[1] ?? ""
  return [...new URLSearchParams(query).keys()]
}

/** As routers see it: several slashes are one, and there is none at the end. */
const tidy = (target: string): string => {
  const path = pathOf(target)
  const single = (isDecodable(target) ? decodeURI(path) : path).replaceAll(/\/{2,}/g, "/")
  return single.length > 1 && single.endsWith("/") ? single.slice(0, -1) : single
}

const patternOf = (path: string): RegExp => {
  const parts = path.split("/").map((part) => {
    if (part.startsWith(":")) return "[^/]+"
    return part.replaceAll(/[^\w-]/g, (sign) => `\\${sign}`)
  })
  return new RegExp(`^${parts.join("/")}$`, "i")
}

export const make = (): Paths => {
  const known = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()
  return {
    add: (method, path) => {
      const found = known.get(path) ?? { pattern: patternOf(path), methods: new Set() }
      known.set(path, found)
      found.methods.add(method)
    },
    methods: (text) => {
      const path = tidy(text)
      const matches = [...known].filter(([, { pattern }]) => pattern.test(path))
      // As routers do: what is written out goes before what is a parameter.
      const [best] = matches.toSorted(([a], [b]) => a.split(":").length - b.split(":").length)
      if (best === undefined) return undefined
      const { methods } = best[1]
      return [...methods, ...(methods.has("GET") ? ["HEAD"] : [])]
    }
  }
}

/** What follows the prefix in the target of a request, or `undefined` where it is not beneath it. */
export const beneath = (prefix: string, target: string): string | undefined => {
  if (prefix === "") return target
  const path = target.replace(/^\/+/, "/")
  if (path.slice(0, prefix.length).toLowerCase() !== prefix.toLowerCase()) return undefined
  const rest = path.slice(prefix.length)
  return rest === "" || /^[/?#]/.test(rest) ? rest : undefined
}
