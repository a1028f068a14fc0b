/**
 * How a child process knows that its herd is gone.
 *
 * @since 0.5.0
 */

/**
 * A pipe that says nothing, and closes.
 *
 * @category constants
 * @since 0.5.0
 */
export const orphanFd = 4

/**
 * Milliseconds that a child has, once its herd is gone, to end by itself.
 *
 * @category constants
 * @since 0.5.0
 */
export const orphanMillis = 500
