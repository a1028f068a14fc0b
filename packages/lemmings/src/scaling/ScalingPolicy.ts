/**
 * How many workers should there be: control laws and their combinators.
 *
 * A policy is data and a pure function from a sample of the herd to a target and a reason, so it can be tested without
 * a herd, simulated, and composed.
 *
 * @since 0.2.0
 */
export * from "./ScalingCapacity.ts"
export * from "./ScalingCombinators.ts"
export * from "./ScalingLaws.ts"
export * from "./ScalingUtilization.ts"
export {
  /**
   * @category constructors
   * @since 0.2.0
   */
  make,
  /**
   * @category models
   * @since 0.2.0
   */
  type ScalingPolicy,
  /**
   * @category models
   * @since 0.2.0
   */
  type ScalingPolicyOptions,
  /**
   * @category models
   * @since 0.2.0
   */
  type ScalingTarget
} from "./ScalingModel.ts"
