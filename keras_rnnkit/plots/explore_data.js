"use strict";
// Reads the arrays of the page: 16-bit integers in base64, with the smallest value and the step.

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (character) => character.charCodeAt(0));
  const integers = new DataView(bytes.buffer);
  const values = new Float64Array(bytes.length / 2);
  for (let i = 0; i < values.length; i += 1) {
    values[i] = packed.low + packed.step * integers.getUint16(2 * i, true);
  }
  return values;
}

// A view is anything that the words can be coloured by. `at(step, unit, current)` is its value at a
// step: of a unit, or with the unit null of the mean over all units (of absolute values where they
// are signed), while `current` is the step that the reader points at.
function fieldView(field, expression) {
  const [steps, units] = field.shape;
  const values = unpack(field);
  const means = new Float64Array(steps);
  for (let i = 0; i < values.length; i += 1) {
    means[Math.floor(i / units)] += (field.signed ? Math.abs(values[i]) : values[i]) / units;
  }
  return {
    id: field.name,
    label: field.name,
    meaning: field.meaning,
    units,
    error: field.step / 2,
    named: () => field.name,
    at: (step, unit) => (unit === null ? means[step] : unit < units ? values[step * units + unit] : NaN),
    signed: (unit) => field.signed && unit !== null,
    limits: (unit) => (unit === null ? field.mean_limits : field.limits),
    expression(index, step, unit) {
      const all = `${expression}.${field.name}[${index}, ${step}]`;
      if (unit === null) return field.signed ? `abs(${all}).mean()` : `${all}.mean()`;
      return `${expression}.${field.name}[${index}, ${step}, ${unit}]`;
    },
  };
}

// A view of a word's score or of what is left of words: `named` is its title at a word.
function otherView(packed, id, label, meaning, { place, expression, named = () => label }) {
  const values = unpack(packed);
  const columns = packed.shape[1];
  return {
    id,
    label,
    meaning,
    units: 0,
    error: packed.step / 2,
    stems: true,
    named,
    at(step, unit, current) {
      const [row, column] = place(step, current);
      return values[row * columns + column];
    },
    signed: () => packed.signed,
    limits: () => packed.limits,
    expression: (index, step) => expression(packed.expression, step),
  };
}

function viewsOf(sample, layer) {
  const views = [];
  if (sample.attribution) {
    views.push(otherView(
      sample.attribution, "attribution", "attribution", "how much the word adds to the prediction",
      { place: (step) => [step, 0], expression: (start, step) => `${start}${step}]` },
    ));
  }
  if (sample.influence) {
    views.push(otherView(
      sample.influence, "influence", "influence", "what is left of each word after this one",
      {
        place: (step, current) => [current, step],
        expression: (start, step) => `${start}${step}, :]`,
        named: (word) => `influence after “${word}”`,
      },
    ));
    views.push(otherView(
      sample.influence, "remains", "what remains", "what is left of this word after each word",
      {
        place: (step, current) => [step, current],
        expression: (start, step) => `${start}:, ${step}]`,
        named: (word) => `what remains of “${word}”`,
      },
    ));
  }
  return views.concat(layer.fields.map((field) => fieldView(field, `traces${layer.key}`)));
}

// How much a unit changes over the steps: its standard deviation.
function variation(view, unit, steps) {
  let sum = 0;
  let squares = 0;
  for (let step = 0; step < steps; step += 1) {
    const value = view.at(step, unit, 0);
    sum += value;
    squares += value * value;
  }
  return Math.sqrt(Math.max(0, squares / steps - (sum / steps) ** 2));
}

// The units of a view, by number or the one that changes most first.
function unitsInOrder(view, steps, order) {
  const units = Array.from({ length: view.units }, (_, unit) => unit);
  if (order === "number") return units;
  const changes = units.map((unit) => variation(view, unit, steps));
  return units.sort((one, other) => changes[other] - changes[one] || one - other);
}

// The limits of the colours that fit a single unit.
function fittedLimits(view, unit, steps, current) {
  let low = Infinity;
  let high = -Infinity;
  for (let step = 0; step < steps; step += 1) {
    const value = view.at(step, unit, current);
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const reach = Math.max(-low, high) || 1;
  return view.signed(unit) ? [-reach, reach] : [low, high > low ? high : low + 1];
}

// How strongly a value is coloured, from 0 to 1, and in which colour.
function colour(value, limits, signed) {
  if (Number.isNaN(value)) return { amount: 0, tone: "none" };
  const part = signed ? Math.abs(value) / limits[1] : (value - limits[0]) / (limits[1] - limits[0]);
  const tone = signed ? (value < 0 ? "negative" : "positive") : "open";
  return { amount: Math.min(1, Math.max(0, part)), tone };
}

function format(value) {
  if (Number.isNaN(value)) return "\u2013";
  const size = Math.abs(value);
  let text = size.toFixed(4);
  if (size >= 1000) text = size.toPrecision(5);
  else if (size > 0 && size < 1e-3) text = size.toExponential(2);
  return value < 0 ? `\u2212${text}` : text;
}

// Short, for the ends of a scale.
function shortFormat(value) {
  return String(Number(value.toPrecision(2))).replace("-", "\u2212");
}
