const { serve } = require("../../src/worker.ts")

module.exports = serve({ Echo: (value) => ({ cjs: value }) })
