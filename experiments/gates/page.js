/* The panel of each trial, and the controls of all. */

class Panel {
  constructor(data, place) {
    this.data = data;
    const best = data.topUnits.find((top) => top.layer === state.layer && top.quantity === state.quantity);
    this.unit = best ? best.unit : 0;
    this.unitField = make("input", { type: "number", "aria-label": "unit", min: 0, value: 0, onchange: () => {
      this.choose(Math.min(Math.max(Math.round(+this.unitField.value) || 0, 0), this.layer.units - 1));
    } });
    this.now = make("span", { class: "now" });
    this.text = make("div", { class: "text", tabindex: 0, "aria-label": "input, coloured by the selected unit" });
    this.legend = make("div", { class: "legend" });
    this.series = make("canvas", { role: "img", "aria-label": "the input series" });
    this.strip = make("canvas", { role: "img", "aria-label": "the selected unit over time" });
    this.map = make("canvas", { class: "map", role: "img" });
    this.scroll = make("div", { class: "scroll", tabindex: 0, "aria-label": "heat map; arrow keys move" },
      ...(INPUT.tokens ? [] : [this.series]), this.strip, this.map);
    this.detail = make("div");
    this.places = make("div");
    this.absent = make("p", { class: "note" });
    this.body = make("div", {}, make("div", { class: "chosen" }, make("label", {}, "unit", this.unitField), this.now),
      ...(INPUT.tokens ? [this.text] : []), this.legend, this.scroll,
      make("div", { class: "below" }, this.detail, this.places));
    this.element = make("section", { class: "panel", "aria-label": `panel ${place + 1}: ${data.name}` }, make("h2", {}, data.name), this.absent,
      this.body, ...topUnits(this));
    this.listen();
  }

  /** The layer that is shown; undefined if this model has none of that name. */
  get layer() { return this.data.layers.find((layer) => layer.name === state.layer); }
  of(quantity) { return decoded(this.layer.quantities[quantity], STEPS); }

  listen() {
    if (INPUT.tokens) {
      this.spans = INPUT.tokens.map((token, step) => {
        const shown = INPUT.characters ? (token === "\n" ? "⏎\n" : token === "\t" ? "⇥\t" : token) : token;
        return make("span", { "data-step": step, class: INPUT.characters ? "" : "word" }, shown);
      });
      this.text.append(...this.spans);
      const stepOf = (event) => event.target.dataset.step;
      this.text.addEventListener("click", (event) => stepOf(event) && chooseStep(+stepOf(event)));
      this.text.addEventListener("pointerover", (event) => stepOf(event) && this.tell(+stepOf(event), this.unit));
      this.text.addEventListener("keydown", (event) => this.key(event));
    }
    const at = (event) => [Math.floor(event.offsetX / this.column), Math.floor(event.offsetY / this.row)];
    const inside = ([step, row]) => step >= 0 && step < STEPS && row >= 0 && row < this.rows.length;
    this.map.addEventListener("pointermove", (event) => {
      if (inside(at(event))) this.tell(at(event)[0], this.rows[at(event)[1]]);
    });
    this.map.addEventListener("pointerleave", () => this.tell(state.step, this.unit));
    this.map.addEventListener("click", (event) => {
      if (!inside(at(event))) return;
      this.unit = this.rows[at(event)[1]];
      chooseStep(at(event)[0]);
    });
    for (const canvas of [this.series, this.strip]) {
      canvas.addEventListener("click", (event) => chooseStep(at(event)[0]));
    }
    this.scroll.addEventListener("keydown", (event) => this.key(event));
    this.scroll.addEventListener("scroll", () => {
      for (const { scroll } of panels) {
        if (scroll.scrollLeft !== this.scroll.scrollLeft) scroll.scrollLeft = this.scroll.scrollLeft;
      }
    });
  }

  /** Move with the arrow keys. */
  key(event) {
    const sideways = { ArrowLeft: state.step - 1, ArrowRight: state.step + 1, Home: 0, End: STEPS - 1 }[event.key];
    const row = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (sideways === undefined && row === undefined) return;
    event.preventDefault();
    if (sideways !== undefined) chooseStep(sideways);
    else this.choose(this.rows[Math.min(Math.max(this.rows.indexOf(this.unit) + row, 0), this.rows.length - 1)]);
  }

  choose(unit) {
    this.unit = unit;
    this.draw();
    this.speak();
  }

  speak() { document.getElementById("announcement").textContent = this.now.textContent; }

  /** Say the value of a unit at a step. */
  tell(step, unit) {
    const prediction = this.data.predictions ? ` · the model predicts ${this.data.predictions[step]}` : "";
    const value = number(this.of(state.quantity).value(unit, step));
    this.now.textContent = MASK[step] ? `${stepName(step)}, unit ${unit}: ${TITLES[state.quantity]} = ${value}${prediction}`
      : `${stepName(step)}: the sequence has ended`;
  }

  /** The units in the order of the rows. */
  order() {
    const units = [...Array(this.layer.units).keys()], steps = [...MASK.keys()].filter((step) => MASK[step]);
    const byQuantity = this.layer.scores[state.order];
    let key = (unit) => -unit;
    if (byQuantity) {
      const counters = state.order === "counter" && byQuantity.cell_state;
      const scores = byQuantity[state.quantity] || counters || units.map(() => 0);
      key = (unit) => scores[unit];
    } else if (state.order !== "index") {
      const quantity = this.of(state.quantity), values = (unit) => steps.map((step) => quantity.value(unit, step));
      const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
      const centred = (list) => { const middle = mean(list); return list.map((value) => value - middle); };
      const chosen = centred(values(this.unit)), dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
      const alike = (list) => dot(list, chosen) / (Math.sqrt(dot(list, list)) || 1);
      key = state.order === "mean" ? (unit) => mean(values(unit)) : (unit) => alike(centred(values(unit)));
    }
    const keys = units.map(key);
    return units.sort((a, b) => keys[b] - keys[a] || a - b);
  }

  draw() {
    const layer = this.layer;
    this.body.hidden = !layer;
    this.absent.textContent = layer ? "" : `This model has no layer ${state.layer}.`;
    if (!layer) return;
    this.unit = Math.min(this.unit, layer.units - 1);
    this.unitField.value = this.unit;
    this.unitField.max = layer.units - 1;
    const quantity = this.of(state.quantity), room = this.scroll.clientWidth || 600;
    this.column = Math.max(LEAST_COLUMN, state.zoom || room / STEPS);
    this.row = Math.min(Math.max(Math.floor(420 / layer.units), 3), 16);
    this.rows = this.order();
    const context = drawMap(this.map, quantity, this.rows, MASK, this.column, this.row, state);
    context.strokeStyle = COLORS[state.theme].mark;
    context.lineWidth = 1.5;
    context.strokeRect(0.75, this.rows.indexOf(this.unit) * this.row - 0.75, STEPS * this.column - 1.5, this.row + 1.5);
    context.strokeRect(state.step * this.column - 0.75, 0.75, this.column + 1.5, this.rows.length * this.row - 1.5);
    this.map.setAttribute("aria-label", `${TITLES[state.quantity]} of ${layer.units} units at ${STEPS} steps`);
    drawStrip(this.strip, quantity, this.unit, INPUT.tokens, MASK, this.column, state);
    if (INPUT.tokens) this.color(quantity);
    else drawSeries(this.series, [...shownChannels(), ...this.data.predictedSeries], MASK, this.column, state.theme);
    this.drawLegend(quantity);
    this.tell(state.step, this.unit);
    this.detail.replaceChildren(...explained(this));
    this.places.replaceChildren(...placesOf(this, quantity));
  }

  color(quantity) {
    const color = colorsOf(quantity, state.theme), end = endOf(quantity, this.unit, state.scale);
    this.spans.forEach((span, step) => {
      span.classList.toggle("at", step === state.step);
      span.classList.toggle("ended", !MASK[step]);
      const now = MASK[step] && color(quantity.value(this.unit, step) / end);
      span.style.background = now ? css(now) : "";
      span.style.color = now ? inkOn(now) : "";
    });
  }

  drawLegend(quantity) {
    const end = endOf(quantity, this.unit, state.scale), low = quantity.low * end;
    const bar = make("canvas", { role: "img", "aria-label": `colours from ${number(low)} to ${number(end)}` });
    const context = prepared(bar, 160, 12), color = colorsOf(quantity, state.theme);
    for (let x = 0; x < 160; x++) {
      context.fillStyle = css(color(quantity.low + (x + 0.5) / 160 * (1 - quantity.low)));
      context.fillRect(x, 0, 1.5, 12);
    }
    const scaled = quantity.sizes.some((size) => size !== 1);
    const whose = state.scale === "unit" ? "each row has its own scale, here that of the selected unit"
      : "the ends are the greatest absolute value in this layer";
    const ended = MASK.includes(0) && "hatched: the sequence has ended";
    const dashed = this.data.predictedSeries.length > 0 && "dashed: what the model predicts";
    const notes = [scaled && whose, quantity.low < 0 && "the middle is 0", ended, dashed];
    this.legend.replaceChildren(make("span", {}, `${TITLES[state.quantity]}:`), number(low), bar, number(end),
      make("span", { class: "note" }, notes.filter(Boolean).join("; ")));
  }
}

/** Select a step in all panels, and bring it into view. */
function chooseStep(step) {
  state.step = Math.min(Math.max(step, 0), STEPS - 1);
  draw();
  for (const panel of panels) {
    if (!panel.layer) continue;
    const x = state.step * panel.column, seen = panel.scroll, right = seen.scrollLeft + seen.clientWidth;
    if (x < seen.scrollLeft || x + panel.column > right + 1) seen.scrollLeft = x - seen.clientWidth / 2;
    const span = panel.spans && panel.spans[state.step];
    if (span) {
      const text = panel.text, above = span.offsetTop < text.scrollTop;
      const below = span.offsetTop + span.offsetHeight > text.scrollTop + text.clientHeight;
      if (above || below) text.scrollTop = span.offsetTop - text.clientHeight / 2;
    }
  }
  panels[0].speak();
}

/** The channels that are drawn. */
function shownChannels() {
  const chosen = state.channels.filter((number) => number < INPUT.channels.length);
  return chosen.map((number) => ({ ...INPUT.channels[number], number }));
}

/** A choice among named values that redraws the page. */
function choice(title, name, options) {
  const field = make("select", { "aria-label": title, onchange: () => {
    state[name] = name === "zoom" ? +field.value : field.value;
    draw();
  } }, ...Object.entries(options).map(([value, text]) => make("option", { value }, text)));
  fields[name] = field;
  return make("label", {}, title, field);
}

/** A box for each channel of a series that has several. */
function channelBoxes() {
  if (INPUT.tokens || INPUT.channels.length === 1) return [];
  const labelled = (channel, k) => {
    const box = make("input", { type: "checkbox", "aria-label": channel.name, onchange: () => {
      const others = state.channels.filter((number) => number !== k);
      state.channels = box.checked ? [...others, k].sort((a, b) => a - b) : others;
      draw();
    } });
    box.checked = state.channels.includes(k);
    return make("label", { style: `border-left: 4px solid ${lineColor(k, state.theme)}` }, box, channel.name);
  };
  const title = make("legend", {}, "channels drawn");
  return [make("fieldset", { class: "channels" }, title, ...INPUT.channels.map(labelled))];
}

/** Draw everything anew. */
function draw() {
  for (const [name, field] of Object.entries(fields)) field.value = state[name];
  fields.step.value = state.step;
  panels.forEach((panel) => panel.draw());
}

const fields = {}, panels = DATA.panels.map((data, place) => new Panel(data, place));
const layers = [...new Set(DATA.panels.flatMap((panel) => panel.layers.map((layer) => layer.name)))];
fields.step = make("input", { type: "number", "aria-label": "step", min: 0, max: STEPS - 1, onchange: () => {
  chooseStep(Math.round(+fields.step.value) || 0);
} });
document.getElementById("page").append(
  make("div", { class: "controls" },
    choice("layer", "layer", Object.fromEntries(layers.map((name) => [name, name]))),
    choice("what is shown", "quantity", TITLES), choice("rows by", "order", ORDERS), choice("width", "zoom", ZOOMS),
    choice("scale, if unbounded", "scale", SCALES),
    make("label", {}, "step", fields.step)),
  ...channelBoxes(),
  make("div", { class: `panels ${panels.length > 1 ? "two" : "one"}` }, ...panels.map((panel) => panel.element)));

const inTheme = (theme) => { state.theme = theme; draw(); };
dark.addEventListener("change", () => inTheme(dark.matches ? "dark" : "light"));
window.addEventListener("beforeprint", () => {
  document.querySelector("details").open = true;
  inTheme("light");
});
window.addEventListener("afterprint", () => inTheme(dark.matches ? "dark" : "light"));
window.addEventListener("resize", draw);
draw();
