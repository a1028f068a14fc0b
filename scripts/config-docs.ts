// Writes docs/configuration.md from the table of settings. With --check it only compares.
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"

import { flowSettings } from "../packages/lemmings/src/model/FlowSettings.ts"
import { settings, variable } from "../packages/lemmings/src/model/HerdConfig.ts"

const file = resolve(import.meta.dirname, "../docs/configuration.md")

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

const current = () => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

if (import.meta.main) {
  if (!process.argv.includes("--check")) writeFileSync(file, page)
  else if (current() !== page) {
    console.error(
      "docs/configuration.md is not what HerdConfig.settings says. Run `pnpm docs:configuration`."
    )
    process.exitCode = 1
  }
}
