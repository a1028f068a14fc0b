// Which tests there are, and when they run.
//
// - `X.test.ts` runs in `pnpm test`, which everybody runs before every commit: all of it has four minutes on two cores. A file
//   that takes more than three seconds of them needs a reason.
// - `X.long.test.ts` runs in `pnpm test:long`: soaks, kills by the dozen, hundreds of seeds, benches. Whatever it repeats, it
//   repeats `rounds(short, long)` times, from `@lemmings/suite/rounds`: `short` in CI, which has a few minutes for all of them
//   (`ROUNDS=short pnpm test:long`), and `long` otherwise.
// - `X.test-d.ts` are types, checked by `pnpm test` too.
//
// A test that is worth running before each commit and worth running for an hour has both files, a quick one with a few
// seeds and a long one, around one suite in `test/support` (model.test.ts and model.long.test.ts are an example). Paths and `-t` choose tests as usual:
// `pnpm test:long model`.
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import type { Reporter, TestModule } from "vitest/node"

/** Tells which files took the longest, and closes the run with one plain line for CI: `tests: N passed, N failed, N skipped`. */
const closing: Reporter = {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors) {
    const count = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) {
      let seen = 0
      for (const test of module.children.allTests()) {
        const state = test.result().state
        if (state === "pending") count.failed++
        else count[state]++
        seen++
      }
      // A file that failed to load has errors and no tests.
      if (seen === 0 || module.errors().length > 0) count.failed += module.state() === "failed" ? 1 : 0
    }
    // CI installs every server and browser, so there a skipped test is a mistake.
    if (process.env["REQUIRE_ALL"] === "1" && count.skipped > 0) process.exitCode = 1
    // Written last, after the default reporter's summary.
    process.once("exit", () => {
      process.stdout.write(
        `${slowest(modules)}\ntests: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`
      )
    })
  }
}

/** The ten files that took the longest: loading them, and running what is in them. */
const slowest = (modules: ReadonlyArray<TestModule>): string => {
  const rows = modules.map((module) => {
    const { collectDuration, duration, setupDuration } = module.diagnostic()
    return { file: module.relativeModuleId, seconds: (collectDuration + duration + setupDuration) / 1000 }
  })
  const first = rows.toSorted((a, b) => b.seconds - a.seconds).slice(0, 10)
  return [
    "slowest files:",
    ...first.map(({ file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${file}`)
  ].join("\n")
}

// What a test or a process that it starts has compiled is there for the next one.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("node_modules/.cache/node-compile", import.meta.url)
)

export default defineConfig(({ mode }) => {
  const long = mode === "long"
  const tests = (folder: string) => ({
    include: [long ? `${folder}/**/*.long.test.ts` : `${folder}/**/*.test.ts`],
    exclude: long ? [] : ["**/*.long.test.ts"],
    testTimeout: long ? 600_000 : 30_000
  })
  const packageOf = (name: string) => ({
    extends: true as const,
    test: { ...tests("test"), name, root: `packages/${name}` }
  })
  const sharing = (name: string) => {
    const { extends: inherits, test } = packageOf(name)
    return { extends: inherits, test: { ...test, isolate: false } }
  }
  const project = (name: string, folder: string) => ({
    extends: true as const,
    test: { ...tests(folder), name }
  })
  return {
    test: {
      reporters: ["default", closing],
      // Most files wait for timers and processes, so there is one more than cores; long ones measure, so they have one at a time.
      maxWorkers: long ? 1 : availableParallelism() + 1,
      globalSetup: [fileURLToPath(new URL("packages/suite/src/setup.ts", import.meta.url))],
      projects: [
        // Tests of these share no state of a process but the compiled modules, so they share workers, and read those once.
        sharing("lemmings"),
        sharing("durable"),
        packageOf("threads"),
        {
          // One run of the compiler for all tests of types, and for the examples of the documentation, which are run as well.
          extends: true as const,
          test: {
            name: "types",
            include: [],
            typecheck: {
              enabled: !long,
              only: true,
              tsconfig: "tsconfig.types.json",
              include: ["packages/*/test/**/*.test-d.ts", "packages/doctest/.doctest/*.test.ts"]
            }
          }
        },
        {
          // Written by scripts/doctest.ts.
          extends: true as const,
          test: {
            ...tests(".doctest"),
            name: "docs",
            root: "packages/doctest",
            // They share no state, so they share a worker.
            isolate: false
          }
        },
        {
          extends: true as const,
          test: {
            ...tests("{test,dashboard/test}"),
            name: "control",
            root: "packages/control",
            globalSetup: [fileURLToPath(new URL("packages/control/test/support/assets.ts", import.meta.url))]
          }
        },
        project("examples", "packages/examples/*/test"),
        project("bench", "packages/bench/test"),
        project("servers", "packages/servers/test"),
        project("simulate", "packages/simulate/test"),
        project("scripts", "scripts/test")
      ],
      coverage: { provider: "v8", include: ["packages/*/src/**"], reporter: ["text-summary", "json-summary"] }
    }
  }
})
