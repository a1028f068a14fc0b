/** How a child process knows that its herd is gone. */

/** A pipe that says nothing, and closes. */
export const orphanFd = 4

/** Milliseconds that a child has, once its herd is gone, to end by itself. */
export const orphanMillis = 500
