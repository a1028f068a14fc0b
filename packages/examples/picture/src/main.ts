// Draws docs/herd.svg: seventeen seconds in the life of a herd, in virtual time. `pnpm picture`
import { argumentsOf } from "@lemmings/examples-usage"
import { writeFileSync } from "node:fs"

import * as Effect from "effect/Effect"

import { draw } from "./Draw.ts"
import { scene } from "./Scene.ts"

argumentsOf(`node src/main.ts

Draws docs/herd.svg: seventeen seconds in the life of a herd, in virtual time.`)

const file = new URL("../../../../docs/herd.svg", import.meta.url)

writeFileSync(file, draw(await Effect.runPromise(scene)))
