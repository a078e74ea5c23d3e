// The line of a view over time, with the words where it changes most.

const CHART = { height: 230, left: 48, right: 14, top: 14, bottom: 46 };
const pen = document.createElement("canvas").getContext("2d");
pen.font = "bold 12px sans-serif";

// Round numbers from low to high, at most five.
function ticks(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found;
}

function shortened(token) {
  const letters = [...token.trim()];
  return letters.length > 14 ? `${letters.slice(0, 13).join("")}…` : letters.join("") || "␣";
}

// The words that fit below the axis: that of the current step, then those of the largest changes.
function labelledSteps({ series, tokens, steps, current }, x, width) {
  const changes = series.map((value, step) => Math.abs(value - (step ? series[step - 1] : value)));
  const order = series.map((_, step) => step).sort((one, other) => changes[other] - changes[one]);
  const taken = [];
  for (const step of [current, ...order]) {
    const texts = [shortened(tokens[step]), String(steps[step])];
    const half = Math.max(...texts.map((text) => pen.measureText(text).width)) / 2 + 5;
    const middle = Math.min(Math.max(x(step), half), width - half);
    if (taken.every((other) => Math.abs(other.middle - middle) > other.half + half)) {
      taken.push({ step, middle, half });
    }
  }
  return taken;
}

function linePath(series, x, y) {
  return series.map((value, step) => `${step ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

// The range of the chart, somewhat more than that of the values and of the colours.
function range(series, limits, stems) {
  const low = Math.min(limits[0], stems ? 0 : limits[0], ...series);
  const high = Math.max(limits[1], ...series);
  const room = 0.04 * (high - low);
  return [low === 0 ? 0 : low - room, high + room];
}

function drawStems(add, series, x, y) {
  for (const tone of series.some((value) => value < 0) ? ["positive", "negative"] : ["open"]) {
    const path = series.map((value, step) => {
      const drawn = tone === "open" || (tone === "negative") === value < 0;
      return drawn ? `M${x(step).toFixed(1)} ${y(0).toFixed(1)}V${y(value).toFixed(1)}` : "";
    });
    add("path", { class: `stems ${tone}`, d: path.join("") });
  }
}

// `series` has a value for each step, `limits` are those of the colours.
function drawChart(svg, { series, tokens, steps, current, limits, stems, label }) {
  const width = Math.max(240, svg.clientWidth);
  const { height, left, right, top, bottom } = CHART;
  const [low, high] = range(series, limits, stems);
  const x = (step) => left + (series.length > 1 ? step / (series.length - 1) : 0.5) * (width - left - right);
  const y = (value) => top + ((high - value) / (high - low)) * (height - top - bottom);
  const add = (name, attributes, text) => svg.appendChild(svgElement(name, attributes, text));
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", label);
  for (const tick of ticks(low, high)) {
    const zero = Math.abs(tick) < 1e-12 && low < 0;
    add("line", { class: zero ? "zero" : "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) });
    add("text", { class: "tick", x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, shortFormat(tick));
  }
  add("line", { class: "cursor", x1: x(current), x2: x(current), y1: top, y2: height - bottom });
  if (stems) drawStems(add, series, x, y);
  else add("path", { class: "line", d: linePath(series, x, y) });
  add("circle", { class: "dot", cx: x(current), cy: y(series[current]), r: 4.5 });
  const onRight = x(current) < width / 2;
  const below = y(series[current]) < top + 0.35 * (height - top - bottom);
  add("text", {
    class: "reading-value", x: x(current) + (onRight ? 9 : -9), "text-anchor": onRight ? "start" : "end",
    y: below ? height - bottom - 8 : top + 10,
  }, format(series[current]));
  for (const { step, middle } of labelledSteps({ series, tokens, steps, current }, x, width)) {
    const chosen = step === current ? " chosen" : "";
    add("line", { class: "mark", x1: x(step), x2: x(step), y1: height - bottom, y2: height - bottom + 5 });
    add("text", { class: `word${chosen}`, x: middle, y: height - bottom + 19, "text-anchor": "middle" }, shortened(tokens[step]));
    add("text", { class: "tick", x: middle, y: height - bottom + 35, "text-anchor": "middle" }, String(steps[step]));
  }
  return (offset) => {
    const part = (offset - left) / (width - left - right);
    return Math.min(series.length - 1, Math.max(0, Math.round(part * (series.length - 1))));
  };
}
