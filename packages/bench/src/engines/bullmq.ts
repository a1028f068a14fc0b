// BullMQ, on Redis.
import { Queue, QueueEvents, Worker } from "bullmq"
import { Redis } from "ioredis"
import { concurrency, type Email, inBulk, type Open } from "./Engine.ts"

const name = "email"

export const bullmq: Open = async (url) => {
  // It waits in a blocking command, so what waits has a connection of its own.
  const connect = () => new Redis(url, { maxRetriesPerRequest: null })
  const connections = { queue: connect(), worker: connect(), events: connect() }
  const queue = new Queue<Email>(name, { connection: connections.queue })
  await queue.waitUntilReady()
  let events: QueueEvents | undefined
  let worker: Worker<Email> | undefined
  return {
    enqueue: (email) => queue.add("send", email),
    enqueueAll: (emails) =>
      inBulk(emails, (some) => queue.addBulk(some.map((data) => ({ name: "send", data })))),
    work: async (handle) => {
      const send = async ({ data }: { readonly data: Email }) => handle(data)
      worker = new Worker<Email>(name, send, { connection: connections.worker, concurrency })
      await worker.waitUntilReady()
    },
    execute: async (email) => {
      if (events === undefined) {
        events = new QueueEvents(name, { connection: connections.events })
        await events.waitUntilReady()
      }
      const job = await queue.add("send", email)
      return job.waitUntilFinished(events)
    },
    close: async () => {
      await worker?.close(true)
      await events?.close()
      await queue.close()
      for (const connection of Object.values(connections)) connection.disconnect()
    }
  }
}
