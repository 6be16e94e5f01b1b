"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const canvas = document.getElementById("surface"), tip = document.getElementById("tip");
  const pick = document.getElementById("condition"), buttons = [...document.querySelectorAll("button[data-view]")];
  const pen = canvas.getContext("2d"), FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif';
  const css = getComputedStyle(document.documentElement);
  const INK = css.getPropertyValue("--ink").trim(), SOFT = css.getPropertyValue("--soft").trim();
  const LINE = css.getPropertyValue("--line").trim();
  const VIRIDIS = ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"];
  const BLUE_ORANGE = ["134b85", "2f78b3", "5da2cb", "9ecae1", "d2e5ef", "f2f0eb", "fce0ba", "fbbf74", "e8932f", "c5690d",
    "994a07"];
  const MARK = { synergy: "#D55E00", antagonism: "#0072B2" };
  const TALL = 1.35, START = { yaw: -0.75, pitch: 0.46, zoom: 1 };
  let eye = { ...START }, view = "measured", here = data.conditions[0], scale, size = { w: 0, h: 0 }, seen = [], texts = [], grip;

  // from numbers to the box: both doses in [-1, 1] by their logarithm, vehicle one step below the lowest dose
  const places = (doses) => {
    const logs = doses.map((d) => (d > 0 ? Math.log10(d) : null)), some = logs.filter((v) => v !== null);
    const steps = some.slice(1).map((v, i) => v - some[i]).sort((p, q) => p - q);
    const step = steps.length ? steps[Math.floor(steps.length / 2)] : 1;
    const at = logs.map((v) => (v === null ? some[0] - step : v)), low = Math.min(...at), span = Math.max(...at) - low;
    return at.map((v) => (span ? (2 * (v - low)) / span - 1 : 0));
  };
  const value = (cell) => cell[view];
  const height = (v) => TALL * ((v - scale.low) / (scale.high - scale.low) - 0.5);
  const settle = () => {
    const every = here.cells.flatMap((c) => [c[view], ...c.replicates.map((r) => shown(c, r))]).filter((v) => v !== null);
    const most = every.length ? Math.max(...every) : 1, least = every.length ? Math.min(...every) : 0;
    const up = (v) => Math.max(10, Math.ceil(v / 10 - 1e-9) * 10);
    if (view === "excess") scale = { low: -up(Math.max(most, -least)), high: up(Math.max(most, -least)), stops: BLUE_ORANGE };
    else scale = { low: least < -5 ? -up(-least) : Math.min(0, least), high: Math.max(100, most), stops: VIRIDIS };
    const step = [5, 10, 20, 25, 50, 100].find((s) => (scale.high - scale.low) / s <= 6) || 200;
    scale.ticks = [];
    for (let t = Math.ceil(scale.low / step - 1e-9) * step; t <= scale.high + 1e-9; t += step) scale.ticks.push(t);
    here.x = places(here.doses[0]); here.y = places(here.doses[1]);
  };
  // a replicate in the view of excess is drawn above the same reference as the mean, so that their mean is the excess
  const shown = (cell, r) => (view !== "excess" ? r : cell.reference === null ? null : r - cell.reference);
  const colour = (v) => {
    const end = view === "excess" ? scale.high : 100, from = view === "excess" ? scale.low : 0, n = scale.stops.length - 1;
    const t = Math.min(1, Math.max(0, (v - from) / (end - from))) * n, i = Math.min(n - 1, Math.floor(t));
    const part = (s, k) => parseInt(s.slice(2 * k, 2 * k + 2), 16);
    return "rgb(" + [0, 1, 2].map((k) => Math.round(part(scale.stops[i], k) +
      (t - i) * (part(scale.stops[i + 1], k) - part(scale.stops[i], k)))).join(",") + ")";
  };

  // orthographic projection: [to the right, down, towards the reader]
  const project = ([x, y, z]) => {
    const c = Math.cos(eye.yaw), s = Math.sin(eye.yaw), far = x * s + y * c;
    const unit = 0.31 * Math.min(size.w * 0.86, size.h * 1.08) * eye.zoom;
    return [size.w * 0.47 + unit * (x * c - y * s),
      size.h * 0.49 - unit * (z * Math.cos(eye.pitch) + far * Math.sin(eye.pitch)),
      z * Math.sin(eye.pitch) - far * Math.cos(eye.pitch)];
  };
  const path = (points) => {
    pen.beginPath();
    points.map(project).forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  };
  const line = (points, style, width, dash) => {
    pen.strokeStyle = style; pen.lineWidth = width; pen.setLineDash(dash || []); path(points); pen.stroke(); pen.setLineDash([]);
  };
  const width = (said, weight) => { pen.font = `${weight || 400} 12px ${FONT}`; return pen.measureText(said).width; };
  // text is kept until everything else is drawn, with paper around it where it lies on the surface
  const text = (said, x, y, align, style, weight) => texts.push(() => {
    const wide = width(said, weight), left = x - wide * { left: 0, center: 0.5, right: 1 }[align];
    const at = Math.min(Math.max(left, 4), size.w - wide - 4);
    pen.textAlign = "left"; pen.textBaseline = "middle"; pen.lineJoin = "round";
    pen.lineWidth = 3; pen.strokeStyle = "rgba(255,255,255,.85)"; pen.strokeText(said, at, y);
    pen.fillStyle = style; pen.fillText(said, at, y);
  });
  const cut = (name) => (name.length > 36 ? name.slice(0, 35) + "…" : name);
  const signed = (v) => (v < 0 ? "−" + -v : String(v));

  const frame = () => { // floor, the two walls behind, and the axes on the near edges
    const low = -TALL / 2, high = TALL / 2;
    const nearer = (p, q) => (project(p)[2] > project(q)[2] ? -1 : 1);
    const fx = nearer([-1, 0, 0], [1, 0, 0]), fy = nearer([0, -1, 0], [0, 1, 0]); // the near side of either axis
    for (const x of here.x) line([[x, -1, low], [x, 1, low]], LINE, 1);
    for (const y of here.y) line([[-1, y, low], [1, y, low]], LINE, 1);
    for (const t of scale.ticks) line([[-fx, fy, height(t)], [-fx, -fy, height(t)], [fx, -fy, height(t)]],
      t === 0 && view === "excess" ? SOFT : LINE, 1);
    line([[-fx, fy, low], [-fx, -fy, low], [fx, -fy, low]], SOFT, 1);
    line([[-fx, -fy, low], [-fx, -fy, high]], LINE, 1);
    axis(0, here.doses[0], here.x, (v) => [v, fy, low], [0, fy]);
    axis(1, here.doses[1], here.y, (v) => [fx, v, low], [fx, 0]);
    const corner = [[-fx, fy], [fx, -fy]].sort((p, q) => project([...p, 0])[0] - project([...q, 0])[0])[0];
    line([[...corner, low], [...corner, high]], SOFT, 1);
    for (const t of scale.ticks) {
      const [x, y] = project([...corner, height(t)]);
      text(signed(t), x - 8, y, "right", INK);
    }
    const [x, y] = project([...corner, high]);
    text(view === "excess" ? `Excess over ${data.method} (%)` : "Inhibition (%)", x + 14, y - 22, "center", INK, 600);
  };
  const axis = (k, doses, at, where, out) => {
    line([where(-1), where(1)], SOFT, 1);
    const zero = project([0, 0, -TALL / 2]), side = project([...out, -TALL / 2]);
    const dx = side[0] - zero[0], dy = side[1] - zero[1], far = Math.hypot(dx, dy) || 1, to = [dx / far, dy / far];
    const align = to[0] > 0.35 ? "left" : to[0] < -0.35 ? "right" : "center", shift = (d) => [to[0] * d, to[1] * d + 4];
    let last = null;
    for (const i of doses.keys()) {
      const [x, y] = project(where(at[i])), [sx, sy] = shift(12);
      if (last && Math.hypot(x - last[0], y - last[1]) < 15) continue;
      last = [x, y];
      text(here.labels[k][i], x + sx, y + sy, align, INK);
    }
    const [x, y] = project(where(0)), [sx, sy] = shift(align === "center" ? 34 : 24 + Math.max(...here.labels[k].map((l) => width(l))));
    text(`${cut(data.drugs[k])} (µM)`, x + sx, y + sy, align, INK, 600);
  };
  const legend = () => {
    const x = size.w - 58, tall = Math.min(170, size.h * 0.4), y = 34, n = 60;
    const from = view === "excess" ? scale.low : 0, to = view === "excess" ? scale.high : 100;
    for (let i = 0; i < n; i++) {
      pen.fillStyle = colour(to - ((i + 0.5) / n) * (to - from)); pen.fillRect(x, y + (i * tall) / n, 12, tall / n + 1);
    }
    for (const t of [from, (from + to) / 2, to]) text(signed(t), x + 18, y + tall * (1 - (t - from) / (to - from)), "left", INK);
    text(view === "excess" ? "Excess (%)" : "Inhibition (%)", x + 46, y - 18, "right", SOFT);
  };

  // what is drawn back to front: patches of the surface, its mesh, points and marks
  const surface = (items) => {
    const of = new Map(here.cells.map((c) => [c.i + "," + c.j, value(c)]));
    const known = (i, j) => { const v = of.get(i + "," + j); return v === undefined ? null : v; };
    const nx = here.x.length, ny = here.y.length, m = Math.max(1, Math.min(10, Math.floor(72 / Math.max(nx, ny))));
    for (let i = 0; i + 1 < nx; i++) for (let j = 0; j + 1 < ny; j++) {
      const v = [known(i, j), known(i + 1, j), known(i, j + 1), known(i + 1, j + 1)];
      if (v.includes(null)) continue;
      const point = (s, t) => [here.x[i] + s * (here.x[i + 1] - here.x[i]), here.y[j] + t * (here.y[j + 1] - here.y[j])];
      const level = (s, t) => v[0] * (1 - s) * (1 - t) + v[1] * s * (1 - t) + v[2] * (1 - s) * t + v[3] * s * t;
      const at = (s, t) => [...point(s, t), height(level(s, t))];
      for (let p = 0; p < m; p++) for (let q = 0; q < m; q++) {
        const [s, t, e, f] = [p / m, q / m, (p + 1) / m, (q + 1) / m], mid = at((s + e) / 2, (t + f) / 2);
        const fill = colour(level((s + e) / 2, (t + f) / 2));
        items.push([project(mid)[2], () => {
          path([at(s, t), at(e, t), at(e, f), at(s, f)]); pen.closePath();
          pen.fillStyle = pen.strokeStyle = fill; pen.lineWidth = 0.8; pen.fill(); pen.stroke();
          for (const [edge, a, b] of [[q === 0, [s, t], [e, t]], [f === 1, [s, f], [e, f]], [p === 0, [s, t], [s, f]],
            [e === 1, [e, t], [e, f]]]) if (edge) line([at(...a), at(...b)], "rgba(27,29,33,.45)", 0.8);
        }]);
      }
    }
  };
  const points = (items) => {
    seen = [];
    for (const cell of here.cells) {
      const x = here.x[cell.i], y = here.y[cell.j], v = value(cell), heights = cell.replicates.map((r) => shown(cell, r));
      const all = [...heights, v].filter((h) => h !== null);
      if (all.length > 1) items.push([project([x, y, height(Math.max(...all))])[2] + 0.05, () =>
        line([[x, y, height(Math.min(...all))], [x, y, height(Math.max(...all))]], "rgba(27,29,33,.5)", 0.8)]);
      for (const h of heights) if (h !== null) {
        const [sx, sy, near] = project([x, y, height(h)]);
        items.push([near + 0.06, () => {
          pen.beginPath(); pen.arc(sx, sy, 2.6, 0, 7); pen.fillStyle = INK; pen.fill();
          pen.lineWidth = 0.8; pen.strokeStyle = "#fff"; pen.stroke();
        }]);
      }
      if (!all.length) continue;
      const [sx, sy, near] = project([x, y, height(v === null ? all[0] : v)]);
      seen.push({ cell, x: sx, y: sy, near });
      if (!cell.sign) continue;
      const top = project([x, y, height(Math.max(...all))])[1], way = cell.sign === "synergy" ? 1 : -1;
      items.push([near + 0.2, () => {
        pen.beginPath(); pen.moveTo(sx, top - 9 - 5 * way); pen.lineTo(sx + 5, top - 9 + 4 * way);
        pen.lineTo(sx - 5, top - 9 + 4 * way); pen.closePath();
        pen.fillStyle = MARK[cell.sign]; pen.strokeStyle = "#fff"; pen.lineWidth = 1; pen.fill(); pen.stroke();
      }]);
    }
  };
  const draw = (ratio) => {
    const dense = ratio || window.devicePixelRatio || 1;
    canvas.width = Math.round(size.w * dense); canvas.height = Math.round(size.h * dense);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, size.w, size.h);
    texts = []; frame(); legend();
    const items = [];
    surface(items); points(items);
    items.sort((p, q) => p[0] - q[0]).forEach((item) => item[1]());
    texts.forEach((write) => write());
  };
  const measure = () => {
    const w = canvas.clientWidth;
    if (!w) return;
    size = { w, h: canvas.clientHeight }; draw();
  };

  const hover = (event) => {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const near = seen.map((p) => ({ p, d: Math.hypot(p.x - x, p.y - y) })).filter((o) => o.d < 16)
      .sort((a, b) => a.d - b.d || b.p.near - a.p.near)[0];
    tip.hidden = !near;
    if (!near) return;
    tip.replaceChildren(...near.p.cell.told.map(([name, said]) => {
      const row = document.createElement("div"), key = document.createElement("span");
      key.textContent = name; row.append(key, said); return row;
    }));
    const left = x + 16 + tip.offsetWidth > size.w ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = Math.max(0, left) + "px"; tip.style.top = Math.max(0, y - tip.offsetHeight / 2) + "px";
  };
  const turn = (yaw, pitch) => {
    eye.yaw += yaw; eye.pitch = Math.min(1.5, Math.max(0, eye.pitch + pitch)); tip.hidden = true; draw();
  };
  const zoom = (by) => { eye.zoom = Math.min(4, Math.max(0.5, eye.zoom * by)); tip.hidden = true; draw(); };
  const look = (name) => {
    view = name; buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.view === view)));
    tip.hidden = true; settle(); measure();
  };
  canvas.addEventListener("pointerdown", (e) => { grip = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointermove", (e) => {
    if (!grip) { hover(e); return; }
    turn((e.clientX - grip[0]) * 0.01, (e.clientY - grip[1]) * 0.01); grip = [e.clientX, e.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { grip = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY * 0.0012)); }, { passive: false });
  const KEYS = { ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0), ArrowUp: () => turn(0, -0.08),
    ArrowDown: () => turn(0, 0.08), "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15),
    Home: () => { eye = { ...START }; turn(0, 0); } };
  canvas.addEventListener("keydown", (e) => { if (KEYS[e.key]) { e.preventDefault(); KEYS[e.key](); } });
  buttons.forEach((b) => b.addEventListener("click", () => look(b.dataset.view)));
  document.getElementById("back").addEventListener("click", KEYS.Home);
  if (pick) pick.addEventListener("change", () => { here = data.conditions[Number(pick.value)]; look(view); });
  window.addEventListener("beforeprint", () => draw(3));
  window.addEventListener("afterprint", () => draw());
  new ResizeObserver(measure).observe(canvas);
  const wanted = location.hash.slice(1);
  look(["measured", "reference", "excess"].includes(wanted) ? wanted : "measured");
})();
