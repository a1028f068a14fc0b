import { build } from "../../scripts/build-dashboard.ts"

/** The page is built once, before the tests. */
export const setup = (): Promise<void> => build()
