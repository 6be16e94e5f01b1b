(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");

  function each(selector, within, f) { Array.prototype.forEach.call(within.querySelectorAll(selector), f); }

  // tables: sort by a heading, filter by words, show all columns
  function key(cell) {
    var v = cell.getAttribute("data-v");
    return v === null ? cell.textContent : parseFloat(v);
  }
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }
  function absent(v) { return v === "\u2013" || (typeof v === "number" && isNaN(v)); }
  each("table.data", document, function (table) {
    var body = table.tBodies[0], heads = table.tHead.rows[0].cells;
    Array.prototype.forEach.call(heads, function (head, i) {
      head.querySelector("button").addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        Array.prototype.forEach.call(heads, function (h) { h.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        Array.prototype.map.call(body.rows, function (row, at) { return { row: row, at: at, key: key(row.cells[i]) }; })
          .sort(function (a, b) {
            if (absent(a.key) || absent(b.key)) return (absent(a.key) - absent(b.key)) || a.at - b.at;
            return (up ? 1 : -1) * compare(a.key, b.key) || a.at - b.at;
          })
          .forEach(function (one) { body.appendChild(one.row); });
      });
    });
  });
  each(".tools input", document, function (input) {
    var holder = input.closest("details.sheet, .claims"), hits = holder.querySelector(".hits");
    var items = holder.querySelectorAll("tbody tr, li.claim");
    input.addEventListener("input", function () {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      Array.prototype.forEach.call(items, function (item) {
        var text = item.textContent.toLowerCase();
        item.hidden = !words.every(function (w) { return text.indexOf(w) >= 0; });
        if (!item.hidden) shown += 1;
      });
      if (words.length && holder.classList.contains("claims")) holder.classList.add("all");
      hits.textContent = words.length ? shown + " of " + items.length : "";
    });
  });
  each(".widen", document, function (button) {
    var text = button.textContent;
    button.addEventListener("click", function () {
      var all = button.closest("details.sheet").querySelector("table.data").classList.toggle("all");
      button.setAttribute("aria-pressed", String(all));
      button.textContent = all ? "Fewer columns" : text;
    });
  });

  each(".rest", document, function (button) {
    button.addEventListener("click", function () {
      button.closest(".claims").classList.add("all");
      button.closest("p").hidden = true;
    });
  });

  // claims: the rows of the lab's own tables, where the page carries them
  var lab = document.getElementById("lab-rows"), rows = lab ? JSON.parse(lab.textContent) : {}, most = 60;
  function cell(row, tag, text) {
    var c = document.createElement(tag);
    if (tag === "th") c.scope = "col";
    c.textContent = text;
    row.appendChild(c);
  }
  function lines(reference, into) {
    reference.split(";").forEach(function (part) {
      var at = part.lastIndexOf(":"), file = rows[part.slice(0, at)];
      if (at < 0 || !file) return;
      var table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
      table.createCaption().textContent = part.slice(0, at);
      table.caption.className = "small";
      cell(head, "th", "row");
      file.columns.forEach(function (c) { cell(head, "th", c); });
      var n = 0, more = 0;
      part.slice(at + 1).split(",").forEach(function (span) {
        var ends = span.split("-").map(Number);
        for (var r = ends[0]; r <= (ends[1] || ends[0]); r += 1) {
          var values = file.rows[r];
          if (!values) continue;
          if (n >= most) { more += 1; continue; }
          var line = body.insertRow();
          cell(line, "td", String(r));
          values.forEach(function (v) { cell(line, "td", v); });
          n += 1;
        }
      });
      into.appendChild(table);
      if (more) {
        var note = document.createElement("p");
        note.className = "small";
        note.textContent = "and " + more + " more rows of " + part.slice(0, at);
        into.appendChild(note);
      }
    });
  }
  each(".claim details", document, function (details) {
    details.addEventListener("toggle", function () {
      var into = details.querySelector(".source");
      if (details.open && !into.firstChild) lines(details.getAttribute("data-rows"), into);
    });
  });

  // a link into a closed sheet opens it
  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    each("details.sheet", target, function (d) { d.open = true; });
    for (var up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  // on paper everything is open
  var opened = [];
  window.addEventListener("beforeprint", function () {
    each("details:not([open])", document, function (d) {
      if (!d.classList.contains("how")) { d.open = true; opened.push(d); }
    });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (d) { d.open = false; });
    opened = [];
  });
  if (window.matchMedia("(max-width: 720px)").matches) each(".contents details", document, function (d) { d.open = false; });

  // figures: drawn as living ones when scrolled near; the static picture stays where that fails
  function unscaled(holder) {
    // Vega measures the pointer in its own units; the picture is stretched to its column
    var svg = holder.querySelector("svg"), last = [0, 0], measure = svg.getBoundingClientRect;
    ["pointerdown", "pointermove", "mousedown", "mousemove", "mouseup", "click", "dblclick", "wheel"].forEach(function (type) {
      holder.addEventListener(type, function (e) { last = [e.clientX, e.clientY]; }, { capture: true, passive: true });
    });
    svg.getBoundingClientRect = function () {
      var r = measure.call(svg), k = r.width / svg.viewBox.baseVal.width || 1;
      var x = last[0] - (last[0] - r.left) / k, y = last[1] - (last[1] - r.top) / k;
      return new DOMRect(x, y, r.width / k, r.height / k);
    };
  }
  function draw(figure) {
    var holder = figure.querySelector(".live"), data = document.getElementById(figure.getAttribute("data-spec"));
    figure.removeAttribute("data-spec");
    Promise.resolve().then(function () {
      return window.vegaEmbed(holder, JSON.parse(data.textContent), {
        mode: "vega-lite", logLevel: 1, renderer: "svg", actions: false, ast: true, defaultStyle: false,
        tooltip: { disableDefaultStyle: true }
      });
    }).then(function () {
      if (!holder.querySelector("svg")) return;
      unscaled(holder);
      figure.classList.add("drawn");
    }).catch(function () {
      holder.textContent = "";
    });
  }
  var waiting = document.querySelectorAll("figure[data-spec]");
  if (!waiting.length || !window.vegaEmbed || !window.IntersectionObserver) return;
  var margin = 400;
  var near = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) return;
      near.unobserve(entry.target);
      draw(entry.target);
    });
  }, { rootMargin: margin + "px 0px" });
  Array.prototype.forEach.call(waiting, function (figure) {
    var place = figure.getBoundingClientRect();
    if (place.height && place.top < window.innerHeight + margin && place.bottom > -margin) draw(figure);
    else near.observe(figure);
  });
})();
