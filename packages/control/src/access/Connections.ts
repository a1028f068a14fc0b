/**
 * The server's sockets: not more than are allowed, none that says nothing, and an answer also to what is no HTTP.
 */
import * as Http from "node:http"
import type { Socket } from "node:net"
import { safe } from "./Answers.ts"

// Milliseconds for a request's head, for all of it, for the next one, and for a socket on which nothing moves: streams say
// something every 15 seconds.
const headersTimeout = 5000
const requestTimeout = 10_000
const keepAliveTimeout = 5000
const silence = 60_000

/** An answer where there is no request to answer. */
const raw = (status: number, tag: string, message: string, headers: Record<string, string> = {}): string => {
  const body = JSON.stringify({ _tag: tag, message })
  const all = {
    ...safe,
    ...headers,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close"
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${Http.STATUS_CODES[status] ?? "Error"}\r\n${lines.join("")}\r\n${body}`
}

const hangUp = (socket: Socket, text: string): void => {
  socket.on("error", () => {})
  socket.end(text)
  socket.destroySoon()
}

const misread = (code: string | undefined): readonly [status: number, message: string] => {
  if (code === "HPE_HEADER_OVERFLOW") return [431, "The head of the request is too long."]
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return [408, "The request took too long to arrive."]
  return [400, "The request is no HTTP."]
}

/**
 * Creates a server that has at most so many connections. A further one takes the place of the one that has asked nothing for
 * longest; where each has a request, it is answered with 503.
 */
export const createServer = (maxConnections: number): Http.Server => {
  const server = Http.createServer({
    headersTimeout,
    requestTimeout,
    keepAliveTimeout,
    connectionsCheckingInterval: 1000
  })
  server.timeout = silence
  // In the order in which they fell silent.
  const idle = new Set<Socket>()
  let open = 0
  server.on("connection", (socket: Socket) => {
    open++
    socket.on("close", () => {
      open--
      idle.delete(socket)
    })
    if (open > maxConnections) {
      const [longest] = idle
      if (longest === undefined) {
        const message = "As many connections are open as may be: try again later."
        hangUp(socket, raw(503, "TooManyConnections", message, { "retry-after": "5" }))
        return
      }
      idle.delete(longest)
      longest.destroy()
    }
    idle.add(socket)
  })
  server.on("request", ({ socket }: Http.IncomingMessage, response: Http.ServerResponse) => {
    idle.delete(socket)
    response.on("close", () => {
      if (!socket.destroyed) idle.add(socket)
    })
  })
  server.on("checkExpectation", (_: unknown, response: Http.ServerResponse) => {
    const body = JSON.stringify({ _tag: "BadRequest", message: "This Expect header cannot be met." })
    response.writeHead(417, { ...safe, "content-type": "application/json" }).end(body)
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === "ECONNRESET") {
      socket.destroy()
      return
    }
    const [status, message] = misread(error.code)
    hangUp(socket, raw(status, "BadRequest", message))
  })
  return server
}
