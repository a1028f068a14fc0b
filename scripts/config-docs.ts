// Writes docs/configuration.md and docs/durable-options.md from the tables of settings. With --check it only compares.
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"

import * as durable from "../packages/durable/src/port/Settings.ts"
import { flowSettings } from "../packages/lemmings/src/model/FlowSettings.ts"
import { settings, variable } from "../packages/lemmings/src/model/HerdConfig.ts"

const docs = resolve(import.meta.dirname, "../docs")

const rows = [...settings, ...flowSettings].map(
  ({ fallback, meaning, path, rule }) =>
    `| \`${path}\` | ${meaning} | ${rule.replaceAll("|", "\\|")} | \`${fallback}\` | \`${variable(path)}\` |`
)

export const page = `# Configuration

Every setting of a herd. In code they are nested options of \`layer\`: \`workers.min\` is \`{ workers: { min: 2 } }\`.
\`LemmingsLive\` reads the variables. A value that breaks its rule fails the layer with \`InvalidConfig\`, which names the
field or variable, the value and the rule; nothing is started.

| Setting | Meaning | Must be | Default | Variable |
| --- | --- | --- | --- | --- |
${rows.join("\n")}

This page is made from the table in \`HerdConfig.settings\` by \`pnpm docs:configuration\`.

Beside the settings a layer takes effects and functions:

| Option | Meaning | Default |
| --- | --- | --- |
| \`onCreate\` | Makes the resource of one worker; gets \`{ workerId, burst }\`. Its scope is the resource's. | required with a resource |
| \`onDestroy\` | Runs before the finalizers of the resource's scope. | nothing |
| \`ready\` | Waits until the resource can take a task, after creation and between tasks. A failure means unhealthy. | always ready |
| \`onInterrupt\` | Unblocks a task that is being interrupted. The lease lasts until it ends. | nothing |
| \`createRetry\` | Delays between calls of a failing \`onCreate\`. | 10 ms doubling to 5 s, jittered, without end |
| \`checkHealth\` | Whether the worker is still good after a failure with this cause. | always |
| \`retry\` | When to try failed tasks again that do not say so themselves. | never |
| \`middleware\` | Wraps every attempt; the first is outermost. | none |
| \`hooks\` | Effects beside tasks and workers, isolated from them. | none |
| \`limits.hold\` | Whether an error says that its key has to wait, and for how long. | never |
| \`limits.perKey.concurrency\`, \`share\` | May be functions of the key. | the settings above |
| \`limits.rate\`, \`limits.perKey.rate\` | May be several rates: all must agree. | the settings above |
| \`scaling\` | Who decides the number of workers. | \`"fixed"\`: \`workers.initial\` |
`

interface Row {
  readonly path: string
  readonly meaning: string
  readonly rule: string
  readonly fallback: string
}

const table = (settings: Readonly<Record<string, Row>>) =>
  [
    "| Option | Meaning | Must be | Default |",
    "| --- | --- | --- | --- |",
    ...Object.values(settings).map(
      ({ fallback, meaning, path, rule }) => `| \`${path}\` | ${meaning} | ${rule} | \`${fallback}\` |`
    )
  ].join("\n")

export const durablePage = `# Options of durable jobs

Every option of [durable jobs](durable.md). A value that breaks its rule is an \`InvalidConfig\`, which names the field, the
value and the rule: \`Job.make\` throws it, a layer fails with it, and nothing is started. A call that is given one fails with
\`EnqueueFailed\` (\`invalid\`), or with \`InvalidConfig\`.

This page is made from the table in \`port/Settings\` by \`pnpm docs:configuration\`.

## Every store

\`Jobs.layerMemory\`, \`Jobs.layerEmbedded\`, \`Jobs.layerPostgres\`.

${table(durable.store)}

## An embedded store

\`Jobs.layerEmbedded\`.

${table(durable.embedded)}

## PostgreSQL

\`Jobs.layerPostgres\`. \`Admin.migrate\` and \`lemmings-durable migrate\` take \`url\` and \`schema\` too.

${table(durable.postgres)}

## A job

\`Job.make\`. \`retention.ended\` is \`{ retention: { ended: "1 day" } }\`.

${table(durable.job)}

Beside these a job takes schemas and functions:

| Option | Meaning | Default |
| --- | --- | --- |
| \`payload\`, \`success\`, \`error\` | Schemas of what the job is given, gives, and fails with. | nothing; no error of its own |
| \`idempotencyKey\` | Jobs with the same key are one job. | none |
| \`group\` | Names a group, of at most 255 characters, for \`perGroup\`. | none |
| \`retry\` | A \`Schedule\`: how long to wait after a failed attempt. When it is over the job has failed. | 1 second, doubled each time, at most 5 minutes |
| \`retryable\` | Whether a typed failure is worth another attempt. | yes |

## A handler

The second argument of \`toLayer\`.

${table(durable.workers)}

Beside these it takes:

| Option | Meaning | Default |
| --- | --- | --- |
| \`herd\` | The herd whose workers run the jobs. | one of the queue's own, with \`concurrency\` workers |
| \`onDead\` | Is run for every job that failed for good. | nothing |
`

const pages = [
  { file: resolve(docs, "configuration.md"), text: page },
  { file: resolve(docs, "durable-options.md"), text: durablePage }
]

const current = (file: string) => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

if (import.meta.main) {
  for (const { file, text } of pages) {
    if (!process.argv.includes("--check")) writeFileSync(file, text)
    else if (current(file) !== text) {
      console.error(`${file} is not what the table of settings says. Run \`pnpm docs:configuration\`.`)
      process.exitCode = 1
    }
  }
}
