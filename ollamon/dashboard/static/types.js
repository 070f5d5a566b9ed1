/**
 * The words of the API, for the type checker; nothing runs here.
 *
 * @typedef {'seconds'|'bytes'|'megabytes'|'percent'|'per_second'|'tokens_per_second'|'count'
 *   |'milliwatts'|'watts'|'joules_per_token'|'celsius'|'bytes_per_second'} Unit
 * @typedef {'ok'|'warn'|'down'} Level
 * @typedef {number|null} Known  null is unknown, never 0
 *
 * @typedef {object} Panel
 * @property {string} id
 * @property {string} title
 * @property {Unit} unit
 * @property {string} section
 * @property {'line'|'stepped'} kind
 * @property {'sum'|'max'} total
 * @property {string} help
 * @property {string} promql
 * @property {boolean} tile
 * @property {string} short
 * @property {number[]} thresholds
 *
 * @typedef {object} Model
 * @property {string} name
 * @property {Known} [size_bytes]
 * @property {Known} [vram_bytes]
 * @property {Known} [offload_ratio]
 * @property {Known} [context_length]
 * @property {Known} [expires]
 *
 * @typedef {{kind: string, level: Level, text: string, hint?: string}} Status
 * @typedef {{kind: string, text: string, hint?: string}} Note
 *
 * @typedef {object} Tick
 * @property {number} t
 * @property {number} interval_s
 * @property {boolean} demo
 * @property {string} source
 * @property {Status} status
 * @property {Note[]} notes
 * @property {Record<string, Record<string, Known>>} panels
 * @property {Model[]} models
 *
 * @typedef {object} RequestRow  one that ended
 * @property {number} seq  counts the ends
 * @property {number} id
 * @property {number} ended_at  Unix seconds
 * @property {string} method
 * @property {string} endpoint
 * @property {string} model
 * @property {string} status
 * @property {string} outcome
 * @property {string} finish
 * @property {string} client
 * @property {boolean} is_stream
 * @property {number} duration_s
 * @property {Known} time_to_first_token_s
 * @property {Known} tokens_per_second
 * @property {Known} prompt_tokens
 * @property {Known} generated_tokens
 * @property {Known} joules
 *
 * @typedef {object} RunningRequest
 * @property {number} id
 * @property {string} method
 * @property {string} endpoint
 * @property {string} model
 * @property {string} client
 * @property {number} age_s
 * @property {string} phase
 * @property {number} chunks  streamed objects so far, about as many tokens
 * @property {Known} chunks_per_second
 *
 * @typedef {{requests: RequestRow[], in_flight: RunningRequest[]}} RequestNews  newest first
 *
 * @typedef {object} History
 * @property {number[]} t
 * @property {number} step_s
 * @property {Record<string, {series: Record<string, Known[]>}>} panels
 */

export {};
