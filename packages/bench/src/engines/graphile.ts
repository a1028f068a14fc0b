// graphile-worker, on PostgreSQL.
import { Logger, makeWorkerUtils, run, type Runner } from "graphile-worker"
import { concurrency, type Email, inBulk, type Open } from "./Engine.ts"

const logger = new Logger(() => () => {})

const graphile =
  (preset: GraphileConfig.Preset): Open =>
  async (connectionString) => {
    const utils = await makeWorkerUtils({ connectionString, logger })
    await utils.migrate()
    let runner: Runner | undefined
    return {
      enqueue: (payload) => utils.addJob("email", payload),
      enqueueAll: (emails) =>
        inBulk(emails, (some) => utils.addJobs(some.map((payload) => ({ identifier: "email", payload })))),
      work: async (handle) => {
        runner = await run({
          connectionString,
          concurrency,
          logger,
          noHandleSignals: true,
          maxPoolSize: concurrency + 4,
          preset,
          taskList: {
            email: async (payload) => {
              handle(payload as Email)
            }
          }
        })
      },
      close: async () => {
        await runner?.stop()
        await utils.release()
      }
    }
  }

export const graphileWorker: Open = graphile({})

/** With its local queue, from which its workers are fed, and acknowledgements in batches. */
export const graphileLocalQueue: Open = graphile({
  worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
})
