/**
 * Ends a child process whose herd is gone, whatever its handlers do: this thread has an event loop of its own.
 */
import { Socket } from "node:net"
import { orphanFd, orphanMillis } from "../wire/Orphan.ts"

// The other end closes with the herd's process, or with its thread where a handler had a herd of its own.
const herd = new Socket({ fd: orphanFd, readable: true, writable: false })
// oxlint-disable-next-line house/no-wall-clock -- no Effect is here, and the herd with its clock is gone
const gone = () => setTimeout(() => process.kill(process.pid, "SIGKILL"), orphanMillis)
herd.on("error", () => {})
herd.once("close", gone)
herd.resume()
