import { Effect, type Scope } from "effect"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

/** A way to a server that can stand still, and lead to another one. */
export interface Gateway {
  readonly port: number
  /** Nothing gets through any more, and nobody is told. */
  readonly stall: () => void
  /** What was held up gets through. */
  readonly go: () => void
  /** Ends all connections. New ones lead to another port. */
  readonly lead: (port: number) => void
}

/** Listens until the scope closes. */
export const gateway = (target: number, host = "127.0.0.1"): Effect.Effect<Gateway, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let to = target
      let stalled = false
      const sockets = new Set<Socket>()
      const keep = (socket: Socket, other: Socket) => {
        sockets.add(socket)
        socket.on("error", () => other.destroy())
        socket.on("close", () => {
          sockets.delete(socket)
          other.destroy()
        })
        socket.on("data", (data) => {
          if (!other.write(data)) socket.pause()
        })
        other.on("drain", () => {
          if (!stalled) socket.resume()
        })
        if (stalled) socket.pause()
      }
      const server = createServer((socket) => {
        const other = connect(to, "127.0.0.1")
        keep(socket, other)
        keep(other, socket)
      })
      server.listen(0, host)
      await once(server, "listening")
      const end = () => {
        for (const socket of sockets) socket.destroy()
      }
      return {
        port: (server.address() as { port: number }).port,
        stall: () => {
          stalled = true
          for (const socket of sockets) socket.pause()
        },
        go: () => {
          stalled = false
          for (const socket of sockets) socket.resume()
        },
        lead: (port: number) => {
          to = port
          end()
        },
        close: () => {
          server.close()
          end()
        }
      }
    }),
    ({ close }) => Effect.sync(close)
  )
