/**
 * How many rounds a long test makes. Long tests stand in files `*.long.test.ts`, and `pnpm test:long` runs them.
 */

/**
 * `short` where the environment says `ROUNDS=short`, as `.ci/run` does, and `long` in `pnpm test:long`. Counts of whatever the
 * test repeats: seeds, tasks, kills.
 */
export const rounds = (short: number, long: number): number =>
  process.env["ROUNDS"] === "short" ? short : long
