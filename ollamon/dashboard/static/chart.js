// One uPlot chart: axes, lines, gaps, limits and a cursor that all charts share.

import uPlot from './vendor/uPlot.esm.min.js';
import { DASHES } from './colours.js';
import { slotClass } from './dom.js';
import { axisLabels, timeLabels } from './format.js';

/** @typedef {import('./types.js').Panel} Panel */
/** @typedef {import('./types.js').Known} Known */
/** @typedef {import('./types.js').Unit} Unit */
/** @typedef {import('./colours.js').Look} Look */
/** @typedef {{name: string, look: Look|null}} Series */

const LABEL_PX = 11;
const AXIS_PX = 58;
const HEADROOM = 1.12;
const LEAST_DRAG_PX = 8;
const HOUR = 3600;
const DAY = 24 * HOUR;
const TIMES = [
  ...[60, 120, 180, 300, 600, 900, 1800],
  ...[HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR],
  ...[DAY, 2 * DAY, 7 * DAY, 14 * DAY],
];
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const BINARY = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].flatMap((n) => [n, n * 1024, n * 1024 ** 2]);
const SECONDS = [
  ...[-4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600],
];
/** @type {Partial<Record<Unit, number[]>>} */
const STEPS = { count: WHOLE, megabytes: BINARY.sort((a, b) => a - b), seconds: SECONDS };

export class Chart {
  /** @type {uPlot|null} */
  #plot = null;
  #key = '';
  #end = 0;
  #rangeS = 900;
  #box;
  #panel;
  #onCursor;

  /**
   * @param {HTMLElement} box
   * @param {Panel} panel
   * @param {(row: number|null) => void} onCursor
   */
  constructor(box, panel, onCursor) {
    this.#box = box;
    this.#panel = panel;
    this.#onCursor = onCursor;
  }

  /**
   * @param {number[]} times @param {Series[]} series @param {Known[][]} values
   * @param {number} rangeS @param {number|null} end  of the axis; null: the newest value
   */
  draw(times, series, values, rangeS, end) {
    this.#end = end ?? times.at(-1) ?? 0;
    this.#rangeS = rangeS;
    const data = /** @type {uPlot.AlignedData} */ ([times, ...values]);
    const key = JSON.stringify(series);
    if (this.#plot && key === this.#key) {
      this.#plot.setData(data);
      return;
    }
    this.destroy();
    this.#key = key;
    this.#plot = new uPlot(this.#options(series), data, this.#box);
    this.#plot.ctx.canvas.setAttribute('aria-hidden', 'true');
  }

  destroy() {
    this.#plot?.destroy();
    this.#plot = null;
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.#box;
    const isOther = this.#plot && (width !== this.#plot.width || height !== this.#plot.height);
    if (isOther && width > 0) this.#plot?.setSize({ width, height });
  }

  /** @param {Series[]} series @returns {uPlot.Options} */
  #options(series) {
    const inks = new Inks(this.#box);
    return {
      width: this.#box.clientWidth || 300,
      height: this.#box.clientHeight || 180,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: cursor(),
      scales: {
        x: { range: () => [this.#end - this.#rangeS, this.#end] },
        y: { range: (_, __, top) => yRange(this.#panel, top) },
      },
      axes: [timeAxis(inks), valueAxis(inks, this.#panel.unit)],
      series: [{}, ...series.map((one) => this.#series(one, series.length, inks))],
      hooks: {
        drawAxes: [(u) => drawLimits(u, this.#panel.thresholds, inks)],
        setCursor: [(u) => this.#onCursor(u.cursor.idx ?? null)],
        setSelect: [(u) => this.#zoom(u)],
      },
    };
  }

  /** A stretch was dragged: whoever shows the charts is told. @param {uPlot} plot */
  #zoom(plot) {
    const { left, width } = plot.select;
    if (width < LEAST_DRAG_PX) return;
    const detail = { from: plot.posToVal(left, 'x'), to: plot.posToVal(left + width, 'x') };
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#box.dispatchEvent(new CustomEvent('zoom', { bubbles: true, detail }));
  }

  /** @param {Series} one @param {number} count @param {Inks} inks @returns {uPlot.Series} */
  #series({ name, look }, count, inks) {
    const ink = inks.of(slotClass(look));
    const isStepped = this.#panel.kind === 'stepped' && uPlot.paths.stepped;
    return {
      label: name,
      stroke: ink.line,
      width: 1.75,
      dash: DASHES[look?.dash ?? 0] ?? [],
      ...(count === 1 ? { fill: ink.area } : {}),
      ...(isStepped ? { paths: isStepped({ align: 1 }) } : {}),
      points: { show: false, size: 4, fill: ink.line, filter: lonePoints },
    };
  }
}

/** @param {string} type of an event */
function isMove(type) {
  return type === 'mousemove' || type === 'mouseleave';
}

/** @returns {uPlot.Cursor} */
function cursor() {
  return {
    y: false,
    drag: { x: true, y: false, setScale: false, dist: LEAST_DRAG_PX },
    // What is dragged on one chart is not dragged on the others.
    sync: { key: 'ollamon', setSeries: false, filters: { pub: isMove, sub: isMove } },
    points: { size: 7, width: 1.5 },
  };
}

/** @param {Panel} panel @param {number|null} top @returns {[number, number]} */
function yRange(panel, top) {
  if (panel.unit === 'percent') return [0, Math.max(100, top ?? 0)];
  const least = panel.unit === 'count' ? 3 : 0;
  return [0, top !== null && top > 0 ? Math.max(top * HEADROOM, least) : least || 1];
}

/**
 * Values with unknown ones on both sides: they have no line.
 * @param {uPlot} u @param {number} index
 */
function lonePoints(u, index) {
  const column = u.data[index] ?? [];
  const lone = [];
  for (let i = 0; i < column.length; i += 1) {
    if (column[i] != null && column[i - 1] == null && column[i + 1] == null) lone.push(i);
  }
  return lone;
}

/** @param {Inks} inks @returns {uPlot.Axis} */
function timeAxis(inks) {
  return {
    stroke: inks.mute,
    font: inks.font,
    size: 26,
    gap: 6,
    space: 56,
    incrs: TIMES,
    grid: { show: false },
    ticks: { show: true, stroke: inks.line, width: 1, size: 4 },
    border: { show: true, stroke: inks.line, width: 1 },
    values: (_, times) => timeLabels(times),
  };
}

/** @param {Inks} inks @param {Unit} unit @returns {uPlot.Axis} */
function valueAxis(inks, unit) {
  const steps = STEPS[unit];
  return {
    stroke: inks.mute,
    font: inks.font,
    // The same width on all charts, so that their times stand below each other; more if needed.
    size: (_, labels) => Math.max(AXIS_PX, ...(labels ?? []).map((l) => inks.width(l) + 18)),
    gap: 8,
    space: 34,
    ...(steps ? { incrs: steps } : {}),
    grid: { stroke: inks.line, width: 1 },
    ticks: { show: false },
    values: (_, values) => axisLabels(values, unit),
  };
}

/** @param {uPlot} u @param {number[]} limits @param {Inks} inks */
function drawLimits(u, limits, inks) {
  const { ctx } = u;
  const { left, width } = u.bbox;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
  limits.forEach((limit, i) => {
    if (limit > (u.scales.y?.max ?? 0)) return;
    ctx.strokeStyle = i === 0 ? inks.warn : inks.down;
    const y = Math.round(u.valToPos(limit, 'y', true));
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  });
  ctx.restore();
}

/** The style sheet's colours, as a canvas takes them. */
class Inks {
  /** @param {HTMLElement} within */
  constructor(within) {
    this.within = within;
    this.font = `${LABEL_PX}px ${getComputedStyle(within).fontFamily}`;
    this.mute = this.of('ink-mute').line;
    this.line = this.of('ink-line').line;
    this.warn = this.of('ink-warn').line;
    this.down = this.of('ink-down').line;
    this.pen = /** @type {CanvasRenderingContext2D} */ (
      document.createElement('canvas').getContext('2d')
    );
    this.pen.font = this.font;
  }

  /** @param {string} name a class that sets color, and a faint background-color */
  of(name) {
    const probe = document.createElement('span');
    probe.className = `probe ${name}`;
    this.within.append(probe);
    const { color, backgroundColor } = getComputedStyle(probe);
    probe.remove();
    return { line: color, area: backgroundColor };
  }

  /** In CSS pixels. @param {string} label */
  width(label) {
    return Math.ceil(this.pen.measureText(label).width);
  }
}
