import { build } from "../../scripts/build-dashboard.ts"

/** The page is built once, before the tests. */
export const setup = async (): Promise<void> => {
  await build()
}
