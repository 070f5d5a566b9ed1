// The connection to the dashboard: its socket, or polling where a WebSocket cannot pass.

import { io } from './vendor/socket.io.esm.min.js';

/** @typedef {import('./types.js').Tick} Tick */
/** @typedef {import('./types.js').RequestNews} RequestNews */

/**
 * @typedef {object} Hooks
 * @property {(tick: Tick) => void} tick
 * @property {(news: RequestNews) => void} requests
 * @property {() => void} change  something that the status depends on
 * @property {() => void} back  connected again: what was missed has to be fetched
 */

const FIRST_RETRY_S = 1;
const LONGEST_RETRY_S = 15;
const LONGEST_RETRY_WHILE_POLLING_S = 60;
const CONNECT_TIMEOUT_MS = 5000;

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function getJson(path, signal) {
  const answer = await fetch(path, { signal: signal ?? AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

export class Link {
  /** @type {'connecting'|'live'|'lost'} */
  connection = 'connecting';
  isPolling = false;
  isBye = false;
  /** @type {number|null} */
  #retryAt = null;
  #failures = 0;
  #refusals = 0;
  #pollTimer = 0;
  #retryTimer = 0;
  #intervalS = 5;
  #hooks;
  #socket;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
    // Its own retries are off: they do not say when the next one is.
    const options = { transports: ['websocket'], reconnection: false, autoConnect: false };
    this.#socket = io({ ...options, timeout: CONNECT_TIMEOUT_MS });
    this.#socket.on('tick', (tick) => this.#take(tick));
    this.#socket.on('requests', (news) => this.#hooks.requests(news));
    this.#socket.on('bye', () => { this.isBye = true; });
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('disconnect', () => this.#failed());
    this.#socket.on('connect_error', () => this.#failed());
  }

  start() {
    this.#socket.connect();
  }

  /** Seconds to the next attempt; null while one runs. */
  get retryInS() {
    return this.#retryAt === null ? null : Math.max(0, (this.#retryAt - performance.now()) / 1000);
  }

  /** @param {Tick} tick */
  #take(tick) {
    this.#intervalS = tick.interval_s || 5;
    this.#hooks.tick(tick);
  }

  #connected() {
    this.isPolling = false;
    this.#refusals = 0;
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#retryTimer);
    this.#restored();
  }

  #restored() {
    const wasLost = this.connection === 'lost';
    this.#failures = 0;
    this.#retryAt = null;
    this.isBye = false;
    this.connection = 'live';
    this.#hooks.change();
    if (wasLost) this.#hooks.back();
  }

  /** The socket ended or did not come about; does the rest of the dashboard answer? */
  async #failed() {
    if (this.isPolling) {
      this.#retrySocketLater();
    } else if (!this.isBye && (await this.#poll())) {
      this.isPolling = true;
      this.#restored();
      this.#pollLater();
      this.#retrySocketLater();
    } else {
      this.#lose();
    }
  }

  #retrySocketLater() {
    this.#refusals += 1;
    this.#retryIn(Math.min(LONGEST_RETRY_WHILE_POLLING_S, 2 ** this.#refusals));
  }

  #lose() {
    this.isPolling = false;
    clearTimeout(this.#pollTimer);
    const delay = Math.min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** this.#failures);
    this.#failures += 1;
    this.connection = 'lost';
    this.#retryIn(delay);
    this.#retryAt = performance.now() + delay * 1000;
    this.#hooks.change();
  }

  /** @param {number} seconds */
  #retryIn(seconds) {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      this.#retryAt = null;
      this.#hooks.change();
      this.#socket.connect();
    }, seconds * 1000);
  }

  #pollLater() {
    this.#pollTimer = setTimeout(async () => {
      if (!this.isPolling) return;
      if (await this.#poll()) this.#pollLater();
      else this.#lose();
    }, this.#intervalS * 1000);
  }

  async #poll() {
    try {
      this.#take(await getJson('/api/metrics'));
      return true;
    } catch {
      return false;
    }
  }
}
