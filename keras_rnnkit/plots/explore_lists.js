// Lists whose options are reached with the arrow keys: one of them is in the order of the tab key.

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function svgElement(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function paintColour(target, { amount, tone }) {
  target.dataset.tone = tone;
  target.style.setProperty("--amount", `${(100 * amount).toFixed(1)}%`);
}

// Makes one option the selected one, which the tab key reaches.
function select(list, index) {
  list.querySelectorAll('[aria-selected="true"]').forEach((option) => {
    option.setAttribute("aria-selected", "false");
    option.tabIndex = -1;
  });
  const chosen = list.children[index];
  if (!chosen) return;
  chosen.setAttribute("aria-selected", "true");
  chosen.tabIndex = 0;
}

// Scrolls the list, and not the page, to an option.
function reveal(list, option) {
  const box = list.getBoundingClientRect();
  const place = option.getBoundingClientRect();
  if (place.top < box.top) list.scrollTop -= box.top - place.top + 4;
  else if (place.bottom > box.bottom) list.scrollTop += place.bottom - box.bottom + 4;
}

// The option in the line above or below whose middle is nearest.
function nearestInLine(options, index, direction) {
  const boxes = options.map((option) => option.getBoundingClientRect());
  const middle = (box) => (box.left + box.right) / 2;
  const here = boxes[index];
  let found = index;
  let line = null;
  for (let i = index + direction; i >= 0 && i < options.length; i += direction) {
    const apart = Math.abs(boxes[i].top - here.top) > here.height / 2;
    if (apart && line === null) line = boxes[i].top;
    if (line !== null) {
      if (Math.abs(boxes[i].top - line) > here.height / 2) break;
      const nearer = Math.abs(middle(boxes[i]) - middle(here)) < Math.abs(middle(boxes[found]) - middle(here));
      if (found === index || nearer) found = i;
    }
  }
  return found;
}

function nextOption(list, index, key) {
  const options = [...list.children];
  const last = options.length - 1;
  const forward = list.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const backward = list.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
  switch (key) {
    case forward: return Math.min(last, index + 1);
    case backward: return Math.max(0, index - 1);
    case "ArrowDown": return nearestInLine(options, index, 1);
    case "ArrowUp": return nearestInLine(options, index, -1);
    case "Home": return 0;
    case "End": return last;
    default: return null;
  }
}

// Calls `chosen(index)` for an option that is clicked or reached by a key, and `pointed(index)` for
// the one under the mouse, with null when the mouse leaves the list.
function connectList(list, { chosen, pointed }) {
  const indexOf = (event) => {
    const option = event.target.closest('[role="option"]');
    return option ? [...list.children].indexOf(option) : null;
  };
  list.addEventListener("focusin", (event) => {
    const index = indexOf(event);
    if (index !== null) chosen(index);
  });
  list.addEventListener("click", (event) => {
    const index = indexOf(event);
    if (index === null) return;
    if (document.activeElement === list.children[index]) chosen(index);
    else list.children[index].focus({ preventScroll: true });
  });
  list.addEventListener("keydown", (event) => {
    const index = indexOf(event);
    if (index === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = nextOption(list, index, event.key);
    if (next === null) return;
    event.preventDefault();
    pointed(null);
    list.children[next].focus({ preventScroll: true });
    reveal(list, list.children[next]);
  });
  list.addEventListener("pointerover", (event) => {
    const index = indexOf(event);
    if (index !== null && event.pointerType !== "touch") pointed(index);
  });
  list.addEventListener("pointerleave", () => pointed(null));
}
