import { suite } from "../support/JobStoreSuite.ts"
import { stores } from "../support/stores.ts"

for (const { layer, missing, name } of stores) suite(name, layer, missing)
