"use strict";
/* Values, colours and pictures. Nothing here knows what is selected. */

const NONE = 65535, LARGEST = 65534;

/** What a layer's quantity is at all units and steps: share(unit, step) of the unit's size, NaN where there is none. */
function decoded(quantity, steps) {
  if (!quantity.share) {
    const bytes = Uint8Array.from(atob(quantity.data), (character) => character.charCodeAt(0));
    const codes = new Uint16Array(bytes.buffer), scale = (1 - quantity.low) / LARGEST;
    quantity.data = null;
    quantity.size = Math.max(...quantity.sizes);
    quantity.share = (unit, step) => {
      const code = codes[unit * steps + step];
      return code === NONE ? NaN : quantity.low + code * scale;
    };
    quantity.value = (unit, step) => quantity.sizes[unit] * quantity.share(unit, step);
  }
  return quantity;
}

/* From the lowest to the highest value. Blue and orange, or lightness alone, are told apart by all readers. */
const COLORS = {
  light: {
    diverging: ["#08519c", "#4a90c8", "#b5d3ea", "#ffffff", "#fbd0a2", "#ee8a36", "#a63f03"],
    sequential: ["#ffffff", "#e4e1f0", "#bfb9dc", "#9389c4", "#6a51a3", "#3f007d"],
    line: ["#1f5fbf", "#c4560a", "#5b7a2a", "#7d4fc3", "#b04a8f", "#16838f"], ink: "#1b1e24", paper: "#ffffff",
    mark: "#c2185b", hatch: "#b9bec8",
  },
  dark: {
    diverging: ["#8cc4f5", "#3b82c4", "#1d4468", "#1b1d22", "#6b3a12", "#d3751f", "#ffc07a"],
    sequential: ["#1b1d22", "#33294f", "#54418a", "#7f6bc0", "#ada0e0", "#e9e4ff"],
    line: ["#6fa8ff", "#ff9d4d", "#a3c76d", "#b896ff", "#f08fd0", "#4fc9d8"], ink: "#e6e8ec", paper: "#16181d",
    mark: "#ff6fa5", hatch: "#565c68",
  },
};

const rgb = (color) => [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));

/** The colours of a quantity: color(share) is [red, green, blue], of a share of the size that the scale ends at. */
function colorsOf(quantity, theme) {
  const stops = COLORS[theme][quantity.low < 0 ? "diverging" : "sequential"].map(rgb);
  const width = (1 - quantity.low) / (stops.length - 1);
  return (share) => {
    const place = Math.min(Math.max((share - quantity.low) / width, 0), stops.length - 1 - 1e-9);
    const below = Math.floor(place), part = place - below;
    return stops[below].map((low, k) => Math.round(low + part * (stops[below + 1][k] - low)));
  };
}

/** The size that the colours of a unit end at: that of the layer, or the unit's own. */
const endOf = (quantity, unit, scale) => scale === "unit" ? quantity.sizes[unit] : quantity.size;

/** Black or white, whichever has the higher contrast on a colour, at least 4.5 (relative luminance of WCAG 2). */
function inkOn(color) {
  const [red, green, blue] = color.map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

const css = ([red, green, blue]) => `rgb(${red},${green},${blue})`;

/** A canvas's context, sharp on this screen, in units of CSS pixels. */
function prepared(canvas, width, height) {
  const sharp = Math.min(window.devicePixelRatio || 1, 2, 16000 / width);
  canvas.width = Math.max(1, Math.round(width * sharp));
  canvas.height = Math.max(1, Math.round(height * sharp));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(sharp, sharp);
  return context;
}

/** Hatch the steps at which the sequence has ended. */
function hatch(context, mask, column, height, theme) {
  context.save();
  context.strokeStyle = COLORS[theme].hatch;
  context.beginPath();
  mask.forEach((on, step) => { if (!on) context.rect(step * column, 0, column, height); });
  context.clip();
  context.beginPath();
  for (let x = -height; x < mask.length * column; x += 6) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.restore();
}

/** A heat map of `rows` of units by all steps. */
function drawMap(canvas, quantity, rows, mask, column, row, { theme, scale }) {
  const steps = mask.length, color = colorsOf(quantity, theme), small = document.createElement("canvas");
  small.width = steps;
  small.height = rows.length;
  const pixels = new ImageData(steps, rows.length);
  rows.forEach((unit, y) => {
    const end = endOf(quantity, unit, scale);
    for (let x = 0; x < steps; x++) {
      const share = quantity.share(unit, x);
      const now = Number.isNaN(share) ? null : color(share * quantity.sizes[unit] / end);
      if (now) pixels.data.set([...now, 255], 4 * (y * steps + x));
    }
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const width = steps * column, height = rows.length * row, context = prepared(canvas, width, height);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, height);
  hatch(context, mask, column, height, theme);
  return context;
}

/** One unit's values above the map, with the characters where there is room for them. */
function drawStrip(canvas, quantity, unit, tokens, mask, column, { theme, scale }) {
  const height = 20, color = colorsOf(quantity, theme), context = prepared(canvas, mask.length * column, height);
  context.font = "12px ui-monospace, 'DejaVu Sans Mono', monospace";
  context.textAlign = "center";
  context.textBaseline = "middle";
  mask.forEach((on, step) => {
    if (!on) return;
    const now = color(quantity.value(unit, step) / endOf(quantity, unit, scale));
    context.fillStyle = css(now);
    context.fillRect(step * column, 0, column + 1.5, height);
    if (tokens && column >= 8) {
      context.fillStyle = inkOn(now);
      context.fillText(visible(tokens[step]), (step + 0.5) * column, height / 2, column);
    }
  });
  hatch(context, mask, column, height, theme);
}

/** Lines of the chosen channels of a series, dashed ones of predictions, and the numbers at both ends. */
function drawSeries(canvas, lines, mask, column, theme) {
  const height = 130, context = prepared(canvas, mask.length * column, height), edge = 10;
  const values = lines.flatMap((line) => line.values.filter((value, step) => mask[step]));
  hatch(context, mask, column, height, theme);
  if (!values.length) return;
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const place = (value) => height - edge - (value - low) / (high - low || 1) * (height - 2 * edge);
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = COLORS[theme].ink;
  context.fillText(`${+high.toPrecision(3)}`, 3, edge);
  context.fillText(`${+low.toPrecision(3)}`, 3, height - 2);
  context.lineWidth = 1.6;
  for (const line of lines) {
    context.strokeStyle = line.number === undefined ? COLORS[theme].ink : lineColor(line.number, theme);
    context.setLineDash(line.number === undefined ? [5, 3] : []);
    context.beginPath();
    line.values.forEach((value, step) => { if (mask[step]) context.lineTo((step + 0.5) * column, place(value)); });
    context.stroke();
  }
}

const lineColor = (number, theme) => COLORS[theme].line[number % COLORS[theme].line.length];

const NAMES = { " ": "␣", "\n": "⏎", "\t": "⇥" };

/** A token with white space that can be seen. */
const visible = (token) => [...token].map((character) => NAMES[character] || character).join("");

/** A token of a line of text. */
const onOneLine = (token) => token === " " ? token : visible(token);
