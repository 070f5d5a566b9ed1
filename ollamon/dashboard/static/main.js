// Where everything comes together: the view, the values, and what is drawn when one of them changes.

import { Banner } from './banner.js';
import { looks } from './colours.js';
import { byId } from './dom.js';
import * as header from './header.js';
import { listen, openHelp } from './keys.js';
import { getJson, Link } from './link.js';
import { LoadedModels } from './models.js';
import { Sections } from './panels.js';
import { Requests } from './requests.js';
import { Running } from './running.js';
import { parse, RANGES, RANGES_S, stretchOf, toSearch } from './state.js';
import { derive } from './status.js';
import { MACHINE, Store } from './store.js';
import { Tile } from './tiles.js';
import { Tooltip } from './tooltip.js';

/** @typedef {import('./types.js').Panel} Panel */
/** @typedef {import('./types.js').Tick} Tick */
/** @typedef {import('./state.js').Range} Range */

const RETRY_MS = 3000;
const SECOND_MS = 1000;
const LOAD_TIMEOUT_MS = 15_000;

class Page {
  view = parse(location.search);
  isPaused = false;
  store = new Store();
  banner = new Banner();
  loaded = new LoadedModels();
  tooltip = new Tooltip();
  running = new Running();
  requests = new Requests(() => (this.ticks.latest ? this.serverNow : Date.now() / 1000));
  /** @type {Panel[]} */
  panels = [];
  /** @type {Tile[]} */
  tiles = [];
  /** @type {Sections|null} */
  sections = null;
  /** The newest that came, and the one on show. @type {{latest: Tick|null, shown: Tick|null}} */
  ticks = { latest: null, shown: null };
  #arrivedAt = 0;
  /** @type {AbortController|null} */
  #loading = null;
  #retryTimer = 0;

  constructor() {
    this.link = new Link({
      tick: (tick) => this.take(tick),
      requests: (news) => this.hear(news),
      change: () => this.showStatus(),
      back: () => void this.load(),
    });
  }

  start() {
    header.buildRange((range) => this.choose({ range, stretch: null }));
    header.onStretchEnd(() => this.choose({ stretch: null }));
    header.checkRange(this.view);
    header.onModel((model) => this.choose({ model }));
    header.showModels([], this.view.model);
    header.showTheme();
    this.running.chooseModel(this.view.model);
    this.requests.chooseModel(this.view.model);
    this.#listen();
    this.link.start();
    void this.load();
    setInterval(() => this.everySecond(), SECOND_MS);
  }

  #listen() {
    byId('pause', HTMLButtonElement).addEventListener('click', () => this.togglePause());
    byId('theme', HTMLButtonElement).addEventListener('click', () => this.nextTheme());
    byId('keys', HTMLButtonElement).addEventListener('click', openHelp);
    byId('sections', HTMLDivElement).addEventListener('zoom', (event) => {
      const { from, to } = /** @type {CustomEvent} */ (event).detail;
      const stretch = stretchOf(from, to);
      if (stretch) this.choose({ stretch });
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.repaint());
    document.addEventListener('visibilitychange', () => { if (!this.isResting) void this.load(); });
    listen({
      ...Object.fromEntries(RANGES.map((range, i) => [String(i + 1), () => this.choose({ range, stretch: null })])),
      Escape: () => this.choose({ stretch: null }),
      p: () => this.togglePause(),
      t: () => this.nextTheme(),
      '/': () => this.requests.focus(),
      m: () => byId('model', HTMLSelectElement).focus(),
      '?': openHelp,
    });
  }

  /** Nothing is drawn while nobody looks. */
  get isResting() {
    return this.isPaused || document.hidden;
  }

  /** @param {Tick} tick */
  take(tick) {
    const { latest } = this.ticks;
    this.note(tick);
    this.showStatus();
    if (this.isResting || !this.sections) return;
    // The server's clock was set back: what is here does not fit any more.
    if (latest && tick.t < latest.t) void this.load();
    else this.show();
    // Where no WebSocket passes, nothing is pushed.
    if (this.link.isPolling) void this.loadRequests();
  }

  /** @param {Tick} tick */
  note(tick) {
    if (tick.t !== this.ticks.latest?.t) this.#arrivedAt = performance.now();
    this.ticks.latest = tick;
  }

  /** @param {import('./types.js').RequestNews} news */
  hear({ requests, in_flight: running }) {
    if (this.isResting) return;
    this.running.show(running);
    this.requests.add(requests);
  }

  async loadRequests() {
    const running = await this.requests.load();
    if (running) this.running.show(running);
  }

  /** A newer one was pushed while this was fetched. @param {Tick} tick */
  #isOvertaken(tick) {
    const ahead = (this.ticks.latest?.t ?? 0) - tick.t;
    return ahead > 0 && ahead < LOAD_TIMEOUT_MS / 1000;
  }

  /** Draw what is there, up to the newest tick. */
  show() {
    const { latest } = this.ticks;
    this.ticks.shown = latest;
    // A stretch that was chosen stays as it is.
    if (latest && !this.view.stretch) this.store.append(latest);
    this.draw();
    this.showNow();
    this.showStatus();
  }

  /** Panels once, the newest tick, and the history of the range. */
  async load() {
    clearTimeout(this.#retryTimer);
    this.#loading?.abort();
    void this.loadRequests();
    const mine = (this.#loading = new AbortController());
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(LOAD_TIMEOUT_MS)]);
    const { range, stretch } = this.view;
    const asked = stretch ? `from=${stretch.from}&to=${stretch.to}` : `range=${range}`;
    try {
      const [panels, tick, history] = await Promise.all([
        this.sections ? null : getJson('/api/panels', signal),
        getJson('/api/metrics', signal),
        getJson(`/api/history?${asked}`, signal),
      ]);
      if (panels) this.build(panels);
      this.store.replace(history, this.rangeS);
      if (!this.#isOvertaken(tick)) this.note(tick);
      this.show();
    } catch {
      // The link says why; a newer load takes this one's place.
      if (!mine.signal.aborted) this.#retryTimer = setTimeout(() => void this.load(), RETRY_MS);
    }
  }

  /** @param {Panel[]} panels */
  build(panels) {
    this.panels = panels;
    this.tiles = panels.filter((panel) => panel.tile).map((panel) => new Tile(panel));
    /** @param {boolean} isHardware */
    const nodes = (isHardware) =>
      this.tiles
        .filter((tile) => (tile.panel.section === MACHINE) === isHardware)
        .map((tile) => tile.node);
    byId('tiles', HTMLUListElement).replaceChildren(...nodes(false));
    byId('machine', HTMLUListElement).replaceChildren(...nodes(true));
    this.sections = new Sections(panels, this.tooltip);
  }

  /** What changes with the history: charts, sparklines, legend. */
  draw() {
    const { model, stretch } = this.view;
    const names = [...this.store.models(this.panels)].sort();
    const colours = looks(model ? [...names, model] : names);
    const { rangeS } = this;
    header.showModels(names, model);
    header.showLegend(names, colours, model, (chosen) => this.choose({ model: chosen }));
    for (const tile of this.tiles) tile.spark(this.store, model, rangeS);
    const isWaiting = this.ticks.latest?.status.kind === 'waiting';
    const end = stretch?.to ?? null;
    this.sections?.draw({ store: this.store, model, rangeS, end, looks: colours, isWaiting });
  }

  /** What the newest tick alone says. */
  showNow() {
    const tick = this.ticks.shown;
    if (!tick) return;
    for (const tile of this.tiles) tile.show(tick, this.view.model);
    const isKnown = !['proxy_down', 'upstream_down', 'not_ollama'].includes(tick.status.kind);
    this.loaded.show(tick.models, this.view.model, isKnown);
    this.loaded.count(this.serverNow);
    this.sections?.note(tick.notes);
    byId('demo', HTMLSpanElement).hidden = !tick.demo && document.documentElement.dataset.demo !== 'true';
  }

  showStatus() {
    const { latest, shown } = this.ticks;
    const line = derive({
      connection: this.link.connection,
      isBye: this.link.isBye,
      retryInS: this.link.retryInS,
      ageS: latest && this.ageS,
      intervalS: latest?.interval_s ?? 5,
      said: latest?.status ?? null,
    });
    const { isStale } = line;
    header.showStatus(line);
    const { isPolling } = this.link;
    header.showSource(shown, { isStale, isPaused: this.isPaused, isPolling, ageS: this.ageS });
    this.banner.show(line);
    document.documentElement.toggleAttribute('data-stale', isStale);
  }

  everySecond() {
    if (document.hidden) return;
    this.showStatus();
    if (this.isPaused) return;
    this.loaded.count(this.serverNow);
    this.running.count();
  }

  get rangeS() {
    const { range, stretch } = this.view;
    return stretch ? stretch.to - stretch.from : RANGES_S[range];
  }

  get ageS() {
    return (performance.now() - this.#arrivedAt) / 1000;
  }

  /** Unix seconds by the server's clock, which need not be the browser's. */
  get serverNow() {
    return (this.ticks.latest?.t ?? 0) + this.ageS;
  }

  /** @param {Partial<import('./state.js').View>} change */
  choose(change) {
    const before = this.view;
    this.view = { ...this.view, ...change };
    const isRange = this.view.range !== before.range || this.view.stretch !== before.stretch;
    history.replaceState(null, '', location.pathname + toSearch(this.view, location.search));
    header.checkRange(this.view);
    if (change.model !== undefined) {
      this.running.chooseModel(change.model);
      this.requests.chooseModel(change.model);
    }
    if (isRange) void this.load();
    else {
      this.draw();
      this.showNow();
    }
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    header.showPause(this.isPaused);
    document.documentElement.toggleAttribute('data-paused', this.isPaused);
    this.showStatus();
    if (!this.isPaused) void this.load();
  }

  nextTheme() {
    header.nextTheme();
    this.repaint();
  }

  /** Charts are painted, so a new theme needs new ones. */
  repaint() {
    this.sections?.repaint();
  }
}

new Page().start();
