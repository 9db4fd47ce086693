/* What is selected, and its explanation in words. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const INPUT = DATA.input, MASK = INPUT.mask, STEPS = MASK.length;
const TITLES = {
  input_gate: "input gate i", forget_gate: "forget gate f", output_gate: "output gate o", candidate: "candidate z",
  cell_state: "cell state c", hidden_state: "hidden state h",
};
const ORDERS = {
  index: "number", mean: "mean", similarity: "similarity to the selected unit", switch: "switch score",
  toggle: "toggle score", counter: "counter score",
};
const SCALES = { layer: "one for the layer", unit: "one for each unit" };
const KINDS = {
  switch: "Switches: a gate either open or shut", toggle: "Toggles: one of two levels, held for long",
  counter: "Counters: a constant is added for each symbol",
};
const ZOOMS = { 0: "all steps", 4: "4 pixels a step", 8: "8 pixels a step", 12: "12 pixels a step" };
const ACTIVATIONS = { tanh: Math.tanh, linear: (x) => x, sigmoid: (x) => 1 / (1 + Math.exp(-x)) };
const LEAST_COLUMN = 2, BEFORE = 20, AFTER = 8, PLACES = 4, CHIPS = 8;

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const last = Math.max(MASK.lastIndexOf(1), 0);
const usual = { layer: DATA.panels[0].layers[0].name, quantity: "forget_gate", steps: [last] };
const first = DATA.panels[0].topUnits[0] || usual;
const state = {
  layer: first.layer, quantity: first.quantity, step: first.steps[0], order: "index",
  zoom: INPUT.tokens && STEPS > 150 && window.innerWidth < 600 ? 4 : 0,
  scale: "layer", theme: dark.matches ? "dark" : "light", channels: [0, 1, 2],
};

/** An element with attributes, listeners (`onclick`) and children; text is only ever text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const number = (value) => Number.isNaN(value) ? "none" : (Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(3));
const stepName = (step) => INPUT.tokens ? `step ${step} “${visible(INPUT.tokens[step])}”` : `step ${step}`;

/** Where to look: the text around a step, or its time. */
function place(step) {
  if (!INPUT.tokens) return make("span", { class: "place" }, stepName(step));
  const join = INPUT.characters ? "" : " ", words = INPUT.characters ? 1 : 4;
  const text = (from, to) => INPUT.tokens.slice(Math.max(from, 0), to).map(onOneLine).join(join);
  const before = text(step - BEFORE / words, step) + (INPUT.characters ? "" : " ");
  return make("span", { class: "place" }, INPUT.characters ? before.padStart(BEFORE) : before,
    make("b", {}, visible(INPUT.tokens[step])), join + text(step + 1, step + 1 + AFTER / words));
}

/** What happened in the selected unit at the selected step: all quantities, and the equation with numbers. */
function explained(panel) {
  const step = state.step, unit = panel.unit, heading = make("h3", {}, `Unit ${unit} at ${stepName(step)}`);
  if (!MASK[step]) return [heading, make("p", {}, "The sequence has ended.")];
  const at = (quantity, when = step) => panel.of(quantity).value(unit, when);
  const rows = Object.entries(TITLES).map(([quantity, title]) =>
    make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, number(at(quantity)))));
  const direction = panel.layer.backwards ? 1 : -1;
  let before = step + direction;
  while (before >= 0 && before < STEPS && !MASK[before]) before += direction;
  const earlier = before >= 0 && before < STEPS ? at("cell_state", before) : 0;
  const names = ["forget_gate", "input_gate", "candidate", "output_gate", "cell_state", "hidden_state"];
  const [f, i, z, o, c, h] = names.map((name) => at(name));
  const sum = f * earlier + i * z, name = panel.data.activation, shown = o * (ACTIVATIONS[name] || (() => NaN))(c);
  const signed = (value) => value < 0 ? `(${number(value)})` : number(value);
  const near = (a, b) => Math.abs(a - b) <= 2e-4 * Math.max(1, panel.of("cell_state").sizes[unit]);
  const lines = [`f · c + i · z = ${signed(f)} · ${signed(earlier)} + ${signed(i)} · ${signed(z)} = ${number(sum)}`];
  lines.push(`c' = ${number(c)}${near(sum, c) ? "" : ": this variant does more than that to its cell state"}`);
  lines.push(near(shown, h)
    ? `h' = o · ${name === "linear" ? "c'" : `${name}(c')`} = ${signed(o)} · ${signed(shown / (o || 1))} = ${number(h)}`
    : `h' = ${number(h)}`);
  const { predictions } = panel.data;
  const prediction = predictions ? [make("p", {}, `The model predicts: ${predictions[step]}`)] : [];
  return [heading, make("table", {}, ...rows), ...lines.map((line) => make("p", { class: "sum" }, line)), ...prediction];
}

/** Buttons that lead to steps, each with the text around it, and with values if there are any. */
function stepButtons(steps, values, chosen) {
  return make("ul", { class: INPUT.tokens ? "places" : "places times" }, ...steps.map((step, k) => make("li", {},
    make("button", { type: "button", onclick: () => chosen(step), "aria-label": `go to ${stepName(step)}` },
      place(step), ...(values ? [make("span", { class: "value" }, number(values[k]))] : [])))));
}

/** Where the selected unit is highest and lowest, and its mean by symbol. */
function placesOf(panel, quantity) {
  const steps = [...MASK.keys()].filter((step) => MASK[step]), value = (step) => quantity.value(panel.unit, step);
  const apart = (sorted) => sorted.reduce((chosen, step) =>
    chosen.length < PLACES && chosen.every((other) => Math.abs(other - step) > 3) ? [...chosen, step] : chosen, []);
  const falling = [...steps].sort((a, b) => value(b) - value(a)), elements = [];
  for (const [title, list] of [["Highest", apart(falling)], ["Lowest", apart(falling.reverse())]]) {
    elements.push(make("h3", {}, `${title} ${TITLES[state.quantity]} of unit ${panel.unit}`));
    elements.push(stepButtons(list, list.map(value), chooseStep));
  }
  if (!INPUT.tokens) return elements;
  const sums = new Map();
  for (const step of steps) {
    const [sum, count] = sums.get(INPUT.tokens[step]) || [0, 0];
    sums.set(INPUT.tokens[step], [sum + value(step), count + 1]);
  }
  const means = [...sums].filter(([, [, count]]) => count >= Math.min(3, steps.length / 10))
    .map(([token, [sum, count]]) => [token, sum / count]).sort((a, b) => b[1] - a[1]);
  const color = colorsOf(quantity, state.theme), end = endOf(quantity, panel.unit, state.scale);
  const chip = ([token, mean]) => {
    const style = `background:${css(color(mean / end))};color:${inkOn(color(mean / end))}`;
    return make("span", { style }, `${visible(token)} ${mean.toFixed(2)}`);
  };
  const shown = means.length > 2 * CHIPS ? [...means.slice(0, CHIPS), null, ...means.slice(-CHIPS)] : means;
  return [...elements, make("h3", {}, `Mean by ${INPUT.characters ? "character" : "token"} read, highest and lowest`),
    make("div", { class: "chips" }, ...shown.map((pair) => pair ? chip(pair) : " … "))];
}

/** The units that score best, with the text that drives them. */
function topUnits(panel) {
  const item = (top) => {
    const choose = (step) => {
      Object.assign(state, { layer: top.layer, quantity: top.quantity, step });
      panel.unit = top.unit;
      chooseStep(step);
    };
    const title = `${top.layer} unit ${top.unit}: ${TITLES[top.quantity]}`;
    return make("li", {}, make("button", { type: "button", class: "unit", onclick: () => choose(top.steps[0]) }, title,
      make("span", { class: "value" }, top.value.toFixed(2))), stepButtons(top.steps, null, choose));
  };
  const kinds = [...new Set(panel.data.topUnits.map((top) => top.score))];
  const lists = kinds.flatMap((kind) => [make("h4", {}, KINDS[kind]), make("ul", { class: "top" },
    ...panel.data.topUnits.filter((top) => top.score === kind).map(item))]);
  return [make("h3", {}, "Units worth a look"), ...(lists.length ? lists
    : [make("p", {}, "No unit of this trial scores 0.3 or more on this input.")])];
}
