import { Logger, type LogLevel } from "effect"

/** Keeps what is logged. */
export const logs = () => {
  const lines: Array<{ readonly level: LogLevel.LogLevel; readonly text: string }> = []
  const layer = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      lines.push({
        level: logLevel,
        text: Array.isArray(message) ? message.map(String).join(" ") : String(message)
      })
    })
  ])
  return { layer, lines, about: (what: string) => lines.filter(({ text }) => text.includes(what)) }
}
