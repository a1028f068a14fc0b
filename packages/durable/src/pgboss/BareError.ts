/** Errors of the database without what they quote. */

/** Empty where a socket was tried at several addresses: each has an error of its own. */
const messageOf = (error: Error): string => {
  if (error.message !== "" || !(error instanceof AggregateError)) return error.message
  return error.errors.map((one) => (one instanceof Error ? one.message : "")).join("; ")
}

/**
 * An error's name, message, code and stack alone. PostgreSQL's `detail`, `where` and `internalQuery` quote rows, payloads and
 * statements, and errors of addresses have the address with its password: they would go to logs and to callers.
 */
const bare = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error
  const { name, stack } = error
  const code: unknown = Reflect.get(error, "code")
  const plain = Object.assign(new Error(messageOf(error)), typeof code === "string" ? { code } : {})
  Object.defineProperty(plain, "name", { value: name, configurable: true, writable: true })
  if (stack !== undefined) plain.stack = stack
  return plain
}

/** The password of an address, as it is written and as it is meant. A short one would be found in any text. */
const passwordsOf = (address: string | undefined): ReadonlyArray<string> => {
  try {
    const written = new URL(address ?? "").password
    return [written, decodeURIComponent(written)].filter(({ length }) => length >= 4)
  } catch {
    return []
  }
}

/**
 * What is shown of errors of a database at an address: name, message, code and stack, without what they quote, and nowhere the
 * password of the address.
 */
export const bareOf = (address: string | undefined): ((error: unknown) => unknown) => {
  const passwords = passwordsOf(address)
  const hide = (text: string) => passwords.reduce((hidden, one) => hidden.replaceAll(one, "<redacted>"), text)
  return (error) => {
    const plain = bare(error)
    if (!(plain instanceof Error)) return typeof plain === "string" ? hide(plain) : plain
    plain.message = hide(plain.message)
    if (plain.stack !== undefined) plain.stack = hide(plain.stack)
    return plain
  }
}
