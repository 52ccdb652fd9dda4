// The viewer: one picture at a time, a before/after slider or all methods side by side, zoomed and moved together.
const view = { mode: "slider", zoom: 1, x: 0, y: 0, at: 50, heat: false, loaded: null };
const picture = () => current().pictures[state.picture];
const sources = () => ["HR", ...names];
const slider = $("slider"), grid = $("grid"), handle = $("handle");

function loadViews() { // parsed only when the picture is viewed
  const key = `views-${state.set}-${state.picture}`;
  if (!view.loaded || view.loaded.key !== key) view.loaded = { key, ...JSON.parse($(key).textContent) };
  return view.loaded;
}
function image(source, errors) {
  const views = loadViews(), showsError = errors && source !== "HR";
  const element = make("img", { alt: `${picture().name}, ${source}`, draggable: false, src: showsError ? views.errors[source] : views.pictures[source] });
  // Nearest is LR itself, drawn with large pixels.
  if (source === "nearest" || showsError) element.classList.add("crisp");
  if (showsError) element.classList.add("error");
  element.style.width = picture().view.width + "px";
  element.style.height = picture().view.height + "px";
  return element;
}
function mainFigure(source) {
  if (source === "HR") return "original";
  const column = columns[0], metric = data.metrics[column];
  return `${metric.title} ${figure(picture().figures[source][column], metric.digits)}`;
}

function fillPanes() {
  const known = sources();
  for (const [side, fallback] of [["left", "bicubic"], ["right", known[known.length - 1]]]) {
    const select = $(side);
    if (!select.options.length) { select.append(...known.map((name) => make("option", { value: name }, name))); select.value = fallback; }
    $(`pane-${side}`).firstElementChild.replaceChildren(image(select.value, view.heat));
    $(`${side}-figure`).textContent = mainFigure(select.value);
  }
  grid.replaceChildren(...known.map((name) => {
    const pane = make("div", { className: "pane", tabIndex: 0, role: "group", ariaLabel: name }, make("div", { className: "layer" }, image(name, view.heat)));
    pane.append(make("div", { className: "tag" }, make("strong", {}, name), make("b", {}, mainFigure(name))));
    return pane;
  }));
  slider.hidden = view.mode !== "slider"; grid.hidden = view.mode !== "grid";
  document.querySelectorAll("[data-mode]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.mode === view.mode)));
  $("legend").hidden = !view.heat; $("legend-top").textContent = `${data.error_peak} levels of luma`;
  place();
}
function fitScale(pane) { return Math.min(pane.clientWidth / picture().view.width, pane.clientHeight / picture().view.height); }
function place() { // the point (view.x, view.y) of the picture is at the center of every pane
  const size = picture().view, panes = view.mode === "slider" ? [slider] : [...grid.children];
  view.zoom = Math.min(64, Math.max(1, view.zoom));
  let shown = 1;
  for (const pane of panes) {
    const scale = fitScale(pane) * view.zoom, half = [pane.clientWidth / 2 / scale, pane.clientHeight / 2 / scale];
    const keep = (value, length, margin) => (length <= 2 * margin ? length / 2 : Math.min(length - margin, Math.max(margin, value)));
    view.x = keep(view.x, size.width, half[0]); view.y = keep(view.y, size.height, half[1]);
    const transform = `translate(${pane.clientWidth / 2 - view.x * scale}px, ${pane.clientHeight / 2 - view.y * scale}px) scale(${scale})`;
    pane.querySelectorAll("img").forEach((element) => { element.style.transform = transform; });
    pane.classList.toggle("crisp", scale >= 2);
    shown = scale;
  }
  slider.classList.toggle("zoomed", view.zoom > 1); grid.classList.toggle("zoomed", view.zoom > 1);
  slider.style.setProperty("--at", view.at + "%");
  handle.setAttribute("aria-valuenow", Math.round(view.at));
  $("zoom").textContent = view.zoom === 1 ? "fit" : `${shown < 10 ? shown.toFixed(1) : Math.round(shown)}×`;
  $("out").disabled = view.zoom <= 1; $("in").disabled = view.zoom >= 64;
}
function zoomBy(factor, pane, clientX, clientY) { // the point under the pointer stays where it is
  if (pane) {
    const frame = pane.getBoundingClientRect(), before = fitScale(pane) * view.zoom, dx = clientX - frame.left - frame.width / 2, dy = clientY - frame.top - frame.height / 2;
    const zoom = Math.min(64, Math.max(1, view.zoom * factor)), after = fitScale(pane) * zoom;
    view.x += dx / before - dx / after; view.y += dy / before - dy / after;
  }
  view.zoom *= factor;
  place();
}
function goTo(index) {
  const region = picture().regions[index], pane = view.mode === "slider" ? slider : grid.firstElementChild;
  if (!region) return;
  view.x = region.x + region.width / 2; view.y = region.y + region.height / 2;
  view.zoom = Math.min(pane.clientWidth / region.width, pane.clientHeight / region.height) / fitScale(pane) / 1.6;
  place();
}

function showPicture(index) {
  const set = current();
  state.picture = (index + set.pictures.length) % set.pictures.length;
  Object.assign(view, { zoom: 1, x: picture().view.width / 2, y: picture().view.height / 2 });
  $("which").textContent = `${picture().name}, ${state.picture + 1} of ${set.pictures.length}`;
  [...$("film").children].forEach((button, i) => button.setAttribute("aria-current", String(i === state.picture)));
  const chosen = $("film").children[state.picture];
  $("film").scrollLeft = chosen.offsetLeft - $("film").offsetLeft - $("film").clientWidth / 2 + chosen.clientWidth / 2;
  document.querySelectorAll("#each tbody tr").forEach((row) => row.toggleAttribute("aria-current", false));
  const row = document.querySelector(`#each tbody tr[data-index="${state.picture}"]`);
  if (row) row.setAttribute("aria-current", "true");
  $("places").replaceChildren(...picture().regions.map((region, i) => {
    const button = make("button", { type: "button", ariaLabel: `Largest error ${i + 1}`, title: `Zoom there (${i + 1})` }, String(i + 1));
    button.addEventListener("click", () => goTo(i));
    return button;
  }));
  const { width, height, view: part } = picture();
  $("view-note").textContent = part.width * part.height < width * height ? `Shown: ${part.width} × ${part.height} of ${width} × ${height} pixels around the largest error, to keep the page small.` : `${width} × ${height} pixels.`;
  fillPanes();
  showCrops();
}
function showCrops() {
  const side = 150, known = sources(), box = $("crops"), part = picture().view;
  box.style.gridTemplateColumns = `repeat(${known.length}, ${side}px)`;
  box.replaceChildren(...known.map((name) => make("div", { className: "head" }, name)));
  picture().regions.forEach((region, i) => known.forEach((name) => {
    const zoom = side / region.width, element = image(name, false);
    element.style.width = part.width + "px"; element.style.transform = `translate(${-region.x * zoom}px, ${-region.y * zoom}px) scale(${zoom})`;
    const cell = make("button", { type: "button", className: "cell", title: `Zoom there (${i + 1})`, style: { width: side + "px", height: side + "px" } }, element);
    cell.addEventListener("click", () => { goTo(i); slider.scrollIntoView({ block: "nearest" }); });
    box.append(make("figure", {}, cell, make("figcaption", {}, name === "HR" ? `${region.width} × ${region.height} pixels` : `mean error ${region.errors[name].toFixed(1)}`)));
  }));
}

// Pointers: one drags (the border, or the zoomed picture), two pinch.
const pointers = new Map();
let drag = null;
function setBorder(clientX) {
  const frame = slider.getBoundingClientRect();
  view.at = Math.min(100, Math.max(0, ((clientX - frame.left) / frame.width) * 100));
  place();
}
function paneOf(target) { return view.mode === "slider" ? slider : target.closest(".grid .pane"); }
for (const area of [slider, grid]) {
  area.addEventListener("pointerdown", (event) => {
    const pane = paneOf(event.target);
    if (!pane || event.target.closest("select") || event.button > 0) return;
    area.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const onHandle = event.target.closest(".handle");
    drag = { pane, kind: onHandle || (area === slider && view.zoom === 1) ? "border" : "move" };
    if (drag.kind === "border") { setBorder(event.clientX); handle.focus({ preventScroll: true, focusVisible: false }); event.preventDefault(); } else area.classList.add("moving");
  });
  area.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before || !drag) return;
    const after = { x: event.clientX, y: event.clientY };
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1], length = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      zoomBy(length(after) / Math.max(1, length(before)), drag.pane, (after.x + other.x) / 2, (after.y + other.y) / 2);
      drag.kind = "move";
    } else if (drag.kind === "border") setBorder(event.clientX);
    else {
      const scale = fitScale(drag.pane) * view.zoom;
      view.x -= (after.x - before.x) / scale; view.y -= (after.y - before.y) / scale;
      place();
    }
    pointers.set(event.pointerId, after);
  });
  for (const name of ["pointerup", "pointercancel"]) area.addEventListener(name, (event) => { pointers.delete(event.pointerId); if (!pointers.size) { drag = null; area.classList.remove("moving"); } });
  area.addEventListener("wheel", (event) => {
    const pane = paneOf(event.target);
    if (!pane || (view.zoom <= 1 && event.deltaY > 0 && !event.ctrlKey)) return; // the page scrolls on
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0022)), pane, event.clientX, event.clientY);
  }, { passive: false });
  area.addEventListener("dblclick", (event) => { const pane = paneOf(event.target); if (pane && !event.target.closest("select")) { if (view.zoom > 1) { view.zoom = 1; place(); } else zoomBy(4, pane, event.clientX, event.clientY); } });
}
handle.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -2, ArrowRight: 2, ArrowDown: -2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
  if (step === undefined) return;
  event.preventDefault(); event.stopPropagation();
  view.at = Math.min(100, Math.max(0, view.at + step));
  place();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
  const pan = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (pan && view.zoom > 1 && event.target.closest(".slider, .grid")) {
    const scale = fitScale(view.mode === "slider" ? slider : grid.firstElementChild) * view.zoom;
    view.x += (pan[0] * 40) / scale; view.y += (pan[1] * 40) / scale; place(); event.preventDefault();
    return;
  }
  const actions = {
    n: () => showPicture(state.picture + 1), p: () => showPicture(state.picture - 1), h: () => $("heatmap").click(), "0": () => $("fit").click(), "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5),
    g: () => { view.mode = view.mode === "slider" ? "grid" : "slider"; fillPanes(); }, "1": () => goTo(0), "2": () => goTo(1), "3": () => goTo(2),
  };
  const action = actions[event.key.toLowerCase()];
  if (action) { action(); event.preventDefault(); }
});

function showSet(index) {
  state.set = index; state.picture = 0; state.eachSort = null;
  const set = current();
  [...$("sets").children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
  $("film").replaceChildren(...set.pictures.map((one, i) => {
    const button = make("button", { type: "button", ariaLabel: one.name, title: one.name }, make("img", { src: one.thumbnail, alt: "", loading: "lazy", height: 62 }));
    button.addEventListener("click", () => showPicture(i));
    return button;
  }));
  showMeans(); showSpectrum(); showScatter(); showEach(); showPicture(0);
}
function start() {
  const count = data.sets.reduce((sum, set) => sum + set.pictures.length, 0), models = names.length - BASELINES.length;
  $("lead").textContent = `${models ? `${models} model${models > 1 ? "s" : ""} compared with` : "Only"} bicubic and nearest on ${count} picture${count > 1 ? "s" : ""} of ${data.sets.map((set) => set.name).join(", ")}.`;
  $("sets").hidden = data.sets.length < 2;
  $("sets").append(...data.sets.map((set, i) => { const button = make("button", { type: "button" }, `${set.name} (${set.pictures.length})`); button.addEventListener("click", () => showSet(i)); return button; }));
  const options = () => columns.map((column) => make("option", { value: column }, data.metrics[column].title));
  for (const id of ["axis-x", "axis-y", "each-metric"]) $(id).append(...options());
  const perception = columns.find((column) => column.startsWith("perceptual")) || columns.find((column) => column.startsWith("gmsd")) || columns[Math.min(1, columns.length - 1)];
  $("axis-y").value = perception;
  for (const id of ["axis-x", "axis-y", "dots"]) $(id).addEventListener("change", showScatter);
  $("each-metric").addEventListener("change", showEach);
  for (const id of ["left", "right"]) $(id).addEventListener("change", fillPanes);
  $("heatmap").addEventListener("change", (event) => { view.heat = event.target.checked; fillPanes(); });
  $("previous").addEventListener("click", () => showPicture(state.picture - 1));
  $("next").addEventListener("click", () => showPicture(state.picture + 1));
  $("in").addEventListener("click", () => zoomBy(1.5)); $("out").addEventListener("click", () => zoomBy(1 / 1.5));
  $("fit").addEventListener("click", () => { view.zoom = 1; place(); });
  document.querySelectorAll("[data-mode]").forEach((button) => button.addEventListener("click", () => { view.mode = button.dataset.mode; fillPanes(); }));
  const themes = ["System", "Light", "Dark"];
  $("theme").addEventListener("click", () => {
    const theme = themes[(themes.indexOf($("theme").lastElementChild.textContent) + 1) % 3];
    $("theme").lastElementChild.textContent = theme; $("theme").ariaLabel = `Colors: ${theme === "System" ? "like the system" : theme.toLowerCase()}`;
    if (theme === "System") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme.toLowerCase();
  });
  new ResizeObserver(place).observe($("viewer"));
  showSet(0);
}
start();
