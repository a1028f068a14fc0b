/**
 * Errors of the database without what they quote.
 *
 * @since 0.5.0
 */

/** Empty where a socket was tried at several addresses: each has an error of its own. */
const messageOf = (error: Error): string => {
  if (error.message !== "" || !(error instanceof AggregateError)) return error.message
  return error.errors.map((one) => (one instanceof Error ? one.message : "")).join("; ")
}

/**
 * An error's name, message, code and stack alone. PostgreSQL's `detail`, `where` and `internalQuery` quote rows, payloads and
 * statements, and errors of addresses have the address with its password: they would go to logs and to callers.
 *
 * @category conversions
 * @since 0.5.0
 */
export const bare = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error
  const { name, stack } = error
  const code: unknown = Reflect.get(error, "code")
  const plain = Object.assign(new Error(messageOf(error)), typeof code === "string" ? { code } : {})
  Object.defineProperty(plain, "name", { value: name, configurable: true, writable: true })
  if (stack !== undefined) plain.stack = stack
  return plain
}
