const { serve } = require("../../src/thread/worker.ts")

module.exports = serve({ Echo: (value) => ({ cjs: value }) })
