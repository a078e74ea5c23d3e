// The page: what is chosen, and everything that is painted from it.

const page = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const state = { sample: 0, layer: 0, view: "", field: "", unit: null, kept: 0, pointed: null };
let views = [];
let order = []; // the units in the order of their list; the mean stands before them
let stepAt = () => 0; // the step at a distance from the left edge of the chart

const sampleNow = () => page.samples[state.sample];
const stepsNow = () => sampleNow().tokens.length;
const current = () => state.pointed ?? state.kept;
const viewOf = (id) => views.find((view) => view.id === id);
const shown = (token) => (token.trim() ? token : "␣");
const unitOf = (view) => (view.units ? state.unit : null);
const unitName = (view) => (!view.units ? "" : state.unit === null ? ", mean of all units" : `, unit ${state.unit}`);
const valueAt = (view, step) => view.at(step, unitOf(view), current());

function seriesOf(view) {
  return Array.from({ length: stepsNow() }, (_, step) => valueAt(view, step));
}

function limitsOf(view) {
  const fits = at("fit").checked && view.id === state.view && !Number.isNaN(valueAt(view, 0));
  return fits ? fittedLimits(view, unitOf(view), stepsNow(), current()) : view.limits(unitOf(view));
}

function colourOf(view, value, unit = unitOf(view)) {
  return colour(value, limitsOf(view), view.signed(unit));
}

function openSample(index) {
  state.sample = index;
  state.pointed = null;
  const sample = sampleNow();
  at("words").dir = sample.direction;
  at("words").replaceChildren(...sample.tokens.map((token) => {
    const option = element("span", { role: "option", "aria-selected": "false", tabindex: "-1", dir: "auto" });
    option.textContent = shown(token);
    return option;
  }));
  at("layer").replaceChildren(...sample.layers.map((layer, place) => element("option", { value: place }, layer.title)));
  at("layer").value = state.layer;
  openLayer(state.layer);
  state.kept = firstWord();
  select(at("words"), state.kept);
  paint();
  reveal(at("words"), at("words").children[state.kept]);
}

// The word with the largest attribution; of an influence, the last one.
function firstWord() {
  const attribution = viewOf("attribution");
  if (!attribution) return viewOf("influence") ? stepsNow() - 1 : Math.min(state.kept, stepsNow() - 1);
  const sizes = seriesOf(attribution).map(Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

function openLayer(index) {
  state.layer = index;
  views = viewsOf(sampleNow(), sampleNow().layers[index]);
  const fields = views.filter((view) => view.units);
  if (!fields.some((view) => view.id === state.field)) {
    state.field = (fields.find((view) => view.id === "hidden") ?? fields[fields.length - 1]).id;
    [state.unit] = unitsInOrder(viewOf(state.field), stepsNow(), "variation");
  }
  if (!viewOf(state.view)) state.view = views[0].units ? state.field : views[0].id;
  at("fields").replaceChildren(...views.map(fieldRow));
  listUnits();
}

// A row of the values at a word: its name, its course, its value.
function fieldRow(view) {
  const row = element("label", { class: "field" });
  const choice = element("input", { type: "radio", name: "view", value: view.id });
  choice.addEventListener("change", () => openView(view.id));
  const name = element("span", { class: "name" }, view.label);
  name.append(element("small", {}, view.meaning));
  const course = svgElement("svg", { class: "course", "aria-hidden": "true", preserveAspectRatio: "none" });
  course.append(svgElement("path", { class: "line" }), svgElement("path", { class: "cursor" }));
  row.append(choice, name, course, element("span", { class: "value" }));
  return row;
}

function openView(id) {
  state.view = id;
  if (viewOf(id).units) state.field = id;
  listUnits();
  paint();
}

function listUnits() {
  const view = viewOf(state.field);
  if (state.unit !== null && state.unit >= view.units) [state.unit] = unitsInOrder(view, stepsNow(), "variation");
  order = unitsInOrder(view, stepsNow(), at("order").value);
  const numbered = view.units <= 128;
  at("units").classList.toggle("small", !numbered);
  const option = (text) => element("span", { role: "option", "aria-selected": "false", tabindex: "-1" }, text);
  at("units").replaceChildren(option("mean"), ...order.map((unit) => option(numbered ? String(unit) : "")));
  select(at("units"), state.unit === null ? 0 : order.indexOf(state.unit) + 1);
}

function openUnit(index) {
  state.unit = index === 0 ? null : order[index - 1];
  state.view = state.field;
  select(at("units"), index);
  paint();
}

function pointAt(index) {
  if (state.pointed === index) return;
  const moves = ["influence", "remains"].includes(state.view);
  state.pointed = index;
  paint(moves);
}

function keep(index) {
  state.kept = index;
  state.pointed = null;
  select(at("words"), index);
  paint();
}

function paint(allWords = true) {
  const view = viewOf(state.view);
  const layer = sampleNow().layers[state.layer];
  const name = `${layer.title && view.units ? `${layer.title} · ` : ""}${view.named(shown(sampleNow().tokens[current()]))}${unitName(view)}`;
  if (allWords) paintWords(view, name);
  for (const word of at("words").querySelectorAll(".current")) word.classList.remove("current");
  at("words").children[current()].classList.add("current");
  paintScale(view);
  paintReading(view);
  paintUnits(viewOf(state.field));
  paintChart(view, name);
}

function paintWords(view, name) {
  at("text-title").textContent = `Words coloured by ${name}`;
  const { tokens, steps } = sampleNow();
  [...at("words").children].forEach((word, step) => {
    const value = valueAt(view, step);
    paintColour(word, colourOf(view, value));
    word.setAttribute("aria-label", `${tokens[step].trim() || "blank"}, step ${steps[step]}, ${view.label} ${format(value)}`);
  });
}

function paintScale(view) {
  const [low, high] = limitsOf(view);
  at("low").textContent = shortFormat(low);
  at("high").textContent = shortFormat(high);
  const parts = at("ramp").children;
  for (let i = 0; i < parts.length; i += 1) {
    paintColour(parts[i], colourOf(view, low + ((high - low) * i) / (parts.length - 1)));
  }
  const place = Math.min(1, Math.max(0, (valueAt(view, current()) - low) / (high - low)));
  at("marker").style.setProperty("--place", `${100 * place}%`);
  at("fit-label").textContent = view.units && state.unit !== null ? "fit to this unit" : "fit to these values";
}

function paintReading(view) {
  const sample = sampleNow();
  const step = sample.steps[current()];
  at("reading-title").textContent = sample.numbered ? `Step ${step}` : `“${shown(sample.tokens[current()])}”, step ${step}`;
  [...at("fields").children].forEach((row, index) => {
    const one = views[index];
    const value = valueAt(one, current());
    const output = row.querySelector(".value");
    row.querySelector("input").checked = one === view;
    output.textContent = format(value);
    paintColour(output, colourOf(one, value));
    paintCourse(row.querySelector("svg"), one);
  });
  at("expression").textContent = view.expression(sample.index, step, unitOf(view));
  const error = Math.max(...views.map((one) => one.error));
  at("precision").textContent = `The page stores values with 16 bits: they differ from the arrays by at most ${format(error)}.`;
}

function paintCourse(svg, view) {
  const series = seriesOf(view);
  const missing = Number.isNaN(series[0]);
  const [low, high] = missing ? [0, 1] : [Math.min(...series), Math.max(...series)];
  const y = (value) => 1 + ((high - value) / (high - low || 1)) * 22;
  svg.setAttribute("viewBox", `0 0 ${Math.max(1, series.length - 1)} 24`);
  svg.querySelector(".line").setAttribute("d", missing ? "" : linePath(series, (step) => step, y));
  svg.querySelector(".cursor").setAttribute("d", `M${current()} 0V24`);
}

function paintUnits(view) {
  const token = shown(sampleNow().tokens[current()]);
  at("units-title").textContent = `Units of ${view.label} at “${token}”`;
  const limits = view.limits(0);
  [...at("units").children].forEach((option, index) => {
    const unit = index === 0 ? null : order[index - 1];
    const value = view.at(current(), unit, current());
    paintColour(option, colour(value, unit === null ? view.limits(null) : limits, view.signed(unit)));
    option.setAttribute("aria-label", `${unit === null ? "mean of all units" : `unit ${unit}`}: ${format(value)}`);
  });
  nameUnit(null);
}

function nameUnit(index) {
  const place = index ?? (state.unit === null ? 0 : order.indexOf(state.unit) + 1);
  at("pointed").textContent = at("units").children[place].getAttribute("aria-label");
}

function paintChart(view, name) {
  const { tokens, steps } = sampleNow();
  const series = seriesOf(view);
  at("chart-title").textContent = `${name}, ${view.stems ? "word by word" : "over time"}`;
  const label = `${name}: from ${format(Math.min(...series))} to ${format(Math.max(...series))} over ${series.length} steps`;
  stepAt = drawChart(at("chart"), {
    series, tokens: tokens.map(shown), steps, current: current(), limits: limitsOf(view), stems: view.stems, label,
  });
}

function start() {
  at("ramp").replaceChildren(...Array.from({ length: 33 }, () => element("i")));
  const samples = page.samples.map((sample, place) => element("option", { value: place }, String(sample.index)));
  at("sample").replaceChildren(...samples);
  at("sample-choice").hidden = samples.length < 2;
  at("layer-choice").hidden = sampleNow().layers.length < 2;
  at("sample").addEventListener("change", () => openSample(Number(at("sample").value)));
  at("layer").addEventListener("change", () => { openLayer(Number(at("layer").value)); paint(); });
  at("order").addEventListener("change", () => { listUnits(); paint(); });
  at("fit").addEventListener("change", () => paint());
  connectList(at("words"), { chosen: keep, pointed: pointAt });
  connectList(at("units"), { chosen: openUnit, pointed: nameUnit });
  const chart = at("chart");
  const under = (event) => stepAt(event.clientX - chart.getBoundingClientRect().left);
  chart.addEventListener("pointermove", (event) => pointAt(under(event)));
  chart.addEventListener("pointerleave", () => pointAt(null));
  chart.addEventListener("click", (event) => keep(under(event)));
  new ResizeObserver(() => paint(false)).observe(at("chart").parentElement);
  openSample(0);
}

start();
