import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import type { Reporter, TestModule } from "vitest/node"

/** Closes the run with one plain line, `tests: N passed, N failed, N skipped`, for CI. */
const closingLine: Reporter = {
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
        `tests: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`
      )
    })
  }
}

const project = (name: string, include: string) => ({
  extends: true as const,
  test: { name, include: [include], testTimeout: 30_000 }
})

export default defineConfig({
  test: {
    reporters: ["default", closingLine],
    projects: [
      {
        extends: true,
        test: {
          ...project("lemmings", "test/**/*.test.ts").test,
          root: "packages/lemmings",
          typecheck: { enabled: true, tsconfig: "tsconfig.types.json", include: ["test/**/*.test-d.ts"] }
        }
      },
      {
        // The examples of the documentation, written by scripts/doctest.ts, are type-checked as well as run.
        extends: true,
        test: {
          ...project("docs", ".doctest/*.test.ts").test,
          root: "packages/lemmings",
          // They share no state, so they share a worker.
          isolate: false,
          typecheck: { enabled: true, tsconfig: "tsconfig.docs.json", include: [".doctest/*.test.ts"] }
        }
      },
      project("examples", "packages/examples/*/test/**/*.test.ts"),
      project("bench", "packages/bench/test/**/*.test.ts"),
      {
        extends: true,
        test: {
          ...project("control", "{test,dashboard/test}/**/*.test.ts").test,
          root: "packages/control",
          globalSetup: [fileURLToPath(new URL("packages/control/test/support/assets.ts", import.meta.url))]
        }
      },
      {
        extends: true,
        test: {
          ...project("durable", "test/**/*.test.ts").test,
          root: "packages/durable",
          typecheck: { enabled: true, tsconfig: "tsconfig.types.json", include: ["test/**/*.test-d.ts"] }
        }
      },
      {
        extends: true,
        test: {
          ...project("threads", "test/**/*.test.ts").test,
          root: "packages/threads",
          typecheck: { enabled: true, tsconfig: "tsconfig.types.json", include: ["test/**/*.test-d.ts"] }
        }
      },
      project("servers", "packages/servers/test/**/*.test.ts"),
      project("simulate", "packages/simulate/test/**/*.test.ts"),
      project("scripts", "scripts/test/**/*.test.ts")
    ],
    coverage: { provider: "v8", include: ["packages/*/src/**"], reporter: ["text-summary", "json-summary"] }
  }
})
