/** Several hosts on one real server: each has its own pages, slowness and patience, and says 429 to whoever comes too often. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Host {
  readonly name: string
  readonly pages: number
  /** Requests that it takes in a second. */
  readonly perSecond: number
  /** Milliseconds that it takes for a page. */
  readonly slow: number
}

export const hosts: ReadonlyArray<Host> = [
  { name: "quick.test", pages: 60, perSecond: 60, slow: 20 },
  { name: "slow.test", pages: 40, perSecond: 40, slow: 150 },
  { name: "strict.test", pages: 20, perSecond: 10, slow: 10 },
  { name: "small.test", pages: 5, perSecond: 5, slow: 50 }
]

export interface Site {
  readonly url: string
  /** The most requests of a host that were answered at one time, and in one second. */
  readonly most: ReadonlyMap<string, { atOnce: number; inSecond: number }>
  readonly close: () => Promise<void>
}

/** Starts the server on a free port of this machine. */
export const open = async (): Promise<Site> => {
  const most = new Map(hosts.map(({ name }) => [name, { atOnce: 0, inSecond: 0 }]))
  const running = new Map<string, number>()
  const taken = new Map<string, Array<number>>()

  const answer = (request: IncomingMessage, response: ServerResponse): unknown => {
    const [, name = "", page = ""] = (request.url ?? "").split("/")
    const host = hosts.find((one) => one.name === name)
    const seen = most.get(name)
    if (host === undefined || seen === undefined) return response.writeHead(404).end()
    const now = performance.now()
    const recent = (taken.get(name) ?? []).filter((at) => at > now - 1_000)
    if (recent.length >= host.perSecond) {
      const first = recent[0] ?? now
      // In milliseconds, which is finer than the header of the standard.
      const wait = Math.ceil(first + 1_000 - now)
      return response
        .writeHead(429, { "retry-after": String(Math.ceil(wait / 1_000)), "x-retry-after-ms": String(wait) })
        .end()
    }
    recent.push(now)
    taken.set(name, recent)
    running.set(name, (running.get(name) ?? 0) + 1)
    seen.atOnce = Math.max(seen.atOnce, running.get(name) ?? 0)
    seen.inSecond = Math.max(seen.inSecond, recent.length)
    return setTimeout(() => {
      running.set(name, (running.get(name) ?? 1) - 1)
      response.writeHead(200, { "content-type": "text/plain" }).end(`page ${page} of ${name}`)
    }, host.slow)
  }

  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    most,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
