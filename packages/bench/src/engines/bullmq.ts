// BullMQ, on Redis.
import { Queue, QueueEvents, Worker } from "bullmq"
import { concurrency, type Email, inBulk, type Open } from "./Engine.ts"

const name = "email"

export const bullmq: Open = async (url) => {
  const connection = { url }
  const queue = new Queue<Email>(name, { connection })
  await queue.waitUntilReady()
  let events: QueueEvents | undefined
  let worker: Worker<Email> | undefined
  return {
    enqueue: (email) => queue.add("send", email),
    enqueueAll: (emails) =>
      inBulk(emails, (some) => queue.addBulk(some.map((data) => ({ name: "send", data })))),
    work: async (handle) => {
      worker = new Worker<Email>(
        name,
        async ({ data }) => {
          handle(data)
        },
        { connection, concurrency }
      )
      await worker.waitUntilReady()
    },
    execute: async (email) => {
      if (events === undefined) {
        events = new QueueEvents(name, { connection })
        await events.waitUntilReady()
      }
      const job = await queue.add("send", email)
      return job.waitUntilFinished(events)
    },
    close: async () => {
      await worker?.close(true)
      await events?.close()
      await queue.close()
    }
  }
}
