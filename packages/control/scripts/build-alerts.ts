// Writes the rules for Prometheus: `node packages/control/scripts/build-alerts.ts`.
import { writeFileSync } from "node:fs"
import { rules } from "../src/conditions/Rules.ts"

writeFileSync(new URL("../prometheus/alerts.yml", import.meta.url), rules())
