import { assert, describe, it } from "vitest"

import { type Fence, fencesOf, isSilent, programOf, testOf } from "../doctest/fences.ts"

const fence = (code: string, prints?: string): Fence => ({
  path: "README.md",
  line: 1,
  title: "",
  code: code.split("\n"),
  prints
})

/** The lines of the test body of `code`, without the blank ones. */
const bodyOf = (code: string) =>
  /async \(\) => \{\n(.*)\n\}\)\n$/s
    .exec(testOf(fence(code), "unused.ts"))?.[1]
    ?.split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")

describe("isSilent", () => {
  const program = "const program = Effect.succeed(1)\n"
  it("is a fence that runs something and prints nothing, in a document", () => {
    assert.isTrue(isSilent(fence(`${program}await Effect.runPromise(program) // => 1`)))
    assert.isTrue(isSilent(fence(`${program}HerdMain.runMain(program)`)))
    for (const print of ["console.log(1)", "Console.log", "Effect.log"])
      assert.isFalse(isSilent(fence(`${program}await Effect.runPromise(program)\n${print}`)), print)
    assert.isFalse(isSilent(fence(program)))
    assert.isFalse(isSilent({ ...fence(`${program}await Effect.runPromise(program) // => 1`), path: "a.ts" }))
  })
})

describe("fencesOf", () => {
  it("reads every ts fence of a document, with its heading and what it prints", () => {
    const document = [
      "# Start",
      "```sh",
      "npx something",
      "```",
      "```ts",
      "one()",
      "```",
      "It prints:",
      "```text",
      "1",
      "2",
      "```",
      "## More",
      "```ts",
      "two()",
      "```",
      "## Other",
      "```text",
      "not its output",
      "```"
    ].join("\n")

    assert.deepStrictEqual(
      fencesOf("README.md", document).map(({ code, line, prints, title }) => ({ code, line, prints, title })),
      [
        { code: ["one()"], line: 5, prints: "1\n2", title: "Start" },
        { code: ["two()"], line: 14, prints: undefined, title: "More" }
      ]
    )
  })

  it("reads only the marked fences of docstrings", () => {
    const source = [
      "/**",
      " * **Example** (Counting)",
      " *",
      " * ```ts import.meta.vitest",
      " * const n = [",
      " *   1",
      " * ]",
      " * ```",
      " *",
      " * ```ts",
      " * notRun()",
      " * ```",
      " */",
      "const fence = `",
      "```ts import.meta.vitest",
      "`"
    ].join("\n")

    assert.deepStrictEqual(fencesOf("packages/a/src/A.ts", source), [
      {
        path: "packages/a/src/A.ts",
        line: 4,
        title: "Counting",
        code: ["const n = [", "  1", "]"],
        prints: undefined
      }
    ])
  })
})

describe("testOf", () => {
  it("lifts imports to the top, also those of several lines", () => {
    const test = testOf(fence(`import {\n  Effect\n} from "effect"\nconst n = 1 // => 1`), "unused.ts")

    assert.isBelow(test.indexOf(`} from "effect"`), test.indexOf("async () => {"))
  })

  it("asserts an expression", () => {
    assert.deepStrictEqual(bodyOf(`f("(") // => [1, 2]`), [`;_equals<unknown>(f("("), [1, 2])`])
  })

  it("asserts what is printed", () => {
    assert.deepStrictEqual(bodyOf(`console.log(await f(1)) // => [1, 2]`), [
      `;_equals<unknown>(await f(1), [1, 2])`
    ])
    assert.deepStrictEqual(bodyOf(`console.log(await f(\n1\n)) // => 2`), [
      `;_equals<unknown>(await f(`,
      "1",
      "), 2)"
    ])
  })

  it("asserts a named constant and keeps it", () => {
    assert.deepStrictEqual(bodyOf("const n: number = 1 + 1 // => 2"), [
      "const n: number = 1 + 1",
      ";_equals<unknown>(n, 2)"
    ])
  })

  it("asserts the whole of an expression of several lines", () => {
    assert.deepStrictEqual(bodyOf(`before()\nawait run(\n  f,\n  g\n)\n  .then(h) // => 3\nafter()`), [
      "before()",
      ";_equals<unknown>(await run(",
      "f,",
      "g",
      ")",
      ".then(h), 3)",
      "after()"
    ])
  })

  it("asserts inside a generator", () => {
    const lines = [
      "Effect.gen(function*() {",
      "const herd = yield* Lemmings",
      "yield* herd.size // => 4",
      "})"
    ]

    assert.deepStrictEqual(bodyOf(lines.join("\n")), [
      lines[0],
      lines[1],
      ";_equals<unknown>(yield* herd.size, 4)",
      lines[3]
    ])
  })

  it("asserts inside a statement that is asserted itself", () => {
    assert.deepStrictEqual(bodyOf("f(() => {\ng() // => 1\n}) // => 2"), [
      ";_equals<unknown>(f(() => {",
      ";_equals<unknown>(g(), 1)",
      "}), 2)"
    ])
  })

  it("takes export off, which a function cannot hold", () => {
    assert.deepStrictEqual(bodyOf("export class A {}"), ["class A {}"])
  })

  it("refuses an assertion on a statement", () => {
    assert.throws(
      () => bodyOf("\nlet n = 1 // => 1"),
      `README.md:3: "// =>" needs an expression or a named const`
    )
  })
})

describe("programOf", () => {
  it("is the whole text of a fence that starts a program, or that prints", () => {
    for (const code of [
      "program.pipe(NodeRuntime.runMain)",
      "NodeRuntime.runMain(program)",
      "Effect.runPromise(program)"
    ]) {
      assert.strictEqual(programOf(fence(code)), `${code}\n`)
    }
    assert.strictEqual(programOf(fence("console.log(1)", "1")), "console.log(1)\n")
  })

  it("is nothing for the body of a test", () => {
    assert.isUndefined(programOf(fence("await Effect.runPromise(program)")))
  })
})
