// What comes over a thread's own channel with the right tag, and is nothing that we would say. A herd ends such a task at worst.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { MessageChannel, Worker } from "node:worker_threads"
import { Shared, type Start, Status } from "../../src/wire/Wire.ts"
import { randomValues } from "../support/random.ts"

const worker = new URL("../support/hostile.worker.ts", import.meta.url)
const tag = 4711
const start = (shared: Pick<Start, "states" | "port">): Start => ({
  lemmings: "test/Strangers",
  tag,
  workerId: 1,
  tasks: ["Misbehave"],
  concurrency: 1,
  heap: false,
  module: worker.href,
  data: undefined,
  ...shared
})

interface Ends {
  readonly send: (message: unknown) => void
  readonly hear: (listener: (message: unknown) => void) => void
  readonly ended: Promise<unknown>
}

const thread = (): Ends => {
  const { port1, port2 } = new MessageChannel()
  const states = new Int32Array(new SharedArrayBuffer(4 * Shared.size)).fill(1)
  const made = new Worker(worker, {
    workerData: start({ states, port: port2 }),
    transferList: [port2]
  })
  return {
    send: (message) => port1.postMessage(message),
    hear: (listener) => void port1.on("message", listener),
    ended: new Promise((resolve) => made.once("exit", resolve))
  }
}

const child = (): Ends => {
  const made = fork(fileURLToPath(new URL("../../src/thread/child.ts", import.meta.url)), {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc", "pipe"]
  })
  made.send(start({ states: undefined, port: undefined }))
  return {
    send: (message) => {
      try {
        made.send(message as object)
      } catch {
        // No message at all.
      }
    },
    hear: (listener) => void made.on("message", listener),
    ended: new Promise((resolve) => made.once("exit", resolve))
  }
}

describe("a thread and a process", () => {
  for (const [name, make] of Object.entries({ thread, process: child })) {
    it.live(
      `go on serving after 2,000 random messages, half of them with the right tag (a ${name}, seed 20)`,
      () =>
        Effect.promise(async () => {
          const { ended, hear, send } = make()
          const heard: Array<unknown> = []
          let more = () => {}
          hear((message) => {
            heard.push(message)
            more()
          })
          const until = (holds: () => boolean) =>
            new Promise<void>((resolve) => {
              more = () => {
                if (holds()) resolve()
              }
              more()
            })
          await until(() => heard.length > 0)
          for (const value of randomValues(20, 2000, tag)) {
            // That one it obeys.
            if (Array.isArray(value) && value.length === 2 && value[1] === -1) continue
            send(value)
          }
          send([tag, 77, 0, { how: "echo", value: "well" }, undefined])
          const answered = () =>
            heard.some(
              (message) =>
                Array.isArray(message) &&
                message.some(
                  (value, i) => value === 77 && message[i + 1] === Status.success && message[i + 2] === "well"
                )
            )
          await until(answered)
          send([tag, -1])
          await ended
          assert.isTrue(answered())
        })
    )
  }
})
