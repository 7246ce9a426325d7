"use strict";
// Figures, filters, tables and the picker of stems. No address is asked for anything.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.textContent = text;
    return element;
  };
  const pickers = { chosen_condition: document.getElementById("chosen_condition"), chosen_model: document.getElementById("chosen_model") };
  const views = [];

  // --- Filters: one choice for all figures and the table of runs.
  const choose = (name, value) => {
    const has = [...pickers[name].options].some((option) => option.value === value);
    pickers[name].value = has ? value : "";
  };
  const applyFilters = () => {
    const chosen = Object.fromEntries(Object.entries(pickers).map(([name, picker]) => [name, picker.value]));
    for (const view of views) {
      for (const [name, value] of Object.entries(chosen)) view.signal(name, value);
      view.runAsync();
    }
    for (const button of document.querySelectorAll("[data-condition]")) {
      button.setAttribute("aria-pressed", String(button.dataset.condition === chosen.chosen_condition));
    }
    const shown = (picker) => picker.selectedOptions[0].textContent.trim();
    document.getElementById("filter-state").textContent =
      `Shown: training ${shown(pickers.chosen_condition)}, base model ${shown(pickers.chosen_model)}`;
    document.querySelector("#runs table").dispatchEvent(new CustomEvent("filter", { detail: {
      condition: chosen.chosen_condition && shown(pickers.chosen_condition), "base model": chosen.chosen_model } }));
  };
  for (const picker of Object.values(pickers)) picker.addEventListener("change", applyFilters);
  for (const button of document.querySelectorAll("[data-condition]")) {
    button.addEventListener("click", () => {
      choose("chosen_condition", button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.condition);
      applyFilters();
    });
  }
  // A first click on a point chooses its training, a second its base model too, a third all.
  const clickPoint = (event, item) => {
    const datum = item && item.datum;
    if (!datum || !datum.condition) return;
    const { chosen_condition: condition, chosen_model: model } = pickers;
    if (condition.value !== datum.condition) { choose("chosen_condition", datum.condition); choose("chosen_model", ""); }
    else if (model.value !== datum.base_model && [...model.options].some((o) => o.value === datum.base_model)) choose("chosen_model", datum.base_model);
    else { choose("chosen_condition", ""); choose("chosen_model", ""); }
    applyFilters();
  };

  // --- Figures.
  const specs = read("specs");
  const drawn = [...document.querySelectorAll("[data-spec]")].map(async (place) => {
    const { view } = await vegaEmbed(place, specs[place.dataset.spec], { actions: false, renderer: "svg" });
    place.querySelector("svg").setAttribute("aria-hidden", "true"); // the text beside stands for it
    view.addEventListener("click", clickPoint);
    views.push(view);
  });
  Promise.all(drawn).then(() => { document.documentElement.dataset.drawn = "yes"; });

  // --- Tables: sort by a head, filter by words, and show the first rows until asked for all.
  const FIRST = 12;
  const compare = (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -1 : 1);
  const valueOf = (cell) => {
    if (cell.dataset.value === undefined) return cell.textContent.trim().toLowerCase();
    const number = Number(cell.dataset.value);
    return Number.isNaN(number) ? null : number;
  };
  const makeSortable = (table, changed) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, k) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [x, y] = [valueOf(a.cells[k]), valueOf(b.cells[k])];
          return x === null || y === null ? compare(x, y) : sign * compare(x, y);
        });
        table.tBodies[0].append(...rows);
        changed();
      });
    });
  };
  const makeFilterable = (table, place) => {
    const rows = () => [...table.tBodies[0].rows];
    const total = rows().length;
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
    const tools = make("div", "tools"), label = make("label", "", "Filter "), input = make("input"), count = make("span");
    const all = make("button");
    let exact = {}, open = false;
    input.type = "search";
    all.type = "button";
    count.setAttribute("role", "status");
    label.append(input);
    tools.append(label, count, all);
    const update = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows()) {
        const text = row.textContent.toLowerCase();
        const fits = words.every((word) => text.includes(word)) &&
          Object.entries(exact).every(([head, value]) => !value || row.cells[heads.indexOf(head)]?.textContent === value);
        row.classList.toggle("filtered", !fits);
        row.classList.toggle("beyond", fits && !open && left >= FIRST);
        left += fits;
      }
      count.textContent = `${open ? left : Math.min(left, FIRST)} of ${total} rows`;
      all.hidden = left <= FIRST;
      all.textContent = open ? "Show fewer" : `Show all ${left}`;
    };
    input.addEventListener("input", update);
    all.addEventListener("click", () => { open = !open; update(); });
    table.addEventListener("filter", (event) => { exact = event.detail; update(); });
    place.before(tools);
    update();
    return update;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const long = table.tBodies[0].rows.length > FIRST || table.closest("#runs");
    makeSortable(table, long ? makeFilterable(table, table.parentElement) : () => {});
  }

  // --- What the models say.
  const says = read("says-data"), stems = document.getElementById("say-stem"), models = document.getElementById("say-model");
  const percent = (share) => `${(100 * share).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`;
  const points = (change) => `${change > 0 ? "+" : ""}${(100 * change).toFixed(1)}`;
  const showWord = (text) => (text.startsWith(" ") && text.trim() ? text.slice(1) : `“${text}”`);
  const list = (entries, bar) => {
    const ul = make("ul");
    for (const [name, value, share, example] of entries) {
      const li = make("li");
      li.append(make("span", "", name), make("span", "", value));
      if (bar) { const line = make("div", "bar"); line.style.width = `${100 * share}%`; li.append(line); }
      if (example) li.append(make("small", "", example));
      ul.append(li);
    }
    return ul;
  };
  const fill = {
    classes: (column, cells) => column.append(list(cells.map(([name, example, share]) => [name, percent(share), share, `… ${example}`]), true)),
    texts: (column, text) => column.append(make("p", "written", text)),
    words: (column, cells) => {
      const most = Math.max(...cells.likeliest.map(([, share]) => share));
      column.append(make("h4", "", "likeliest of those that moved"), list(cells.likeliest.map(([text, share]) => [showWord(text), percent(share), share / most]), true));
      for (const [key, title] of [["gained", "gained (points)"], ["lost", "lost (points)"]]) {
        if (cells[key] && cells[key].length) column.append(make("h4", "", title), list(cells[key].map(([text, change]) => [showWord(text), points(change)])));
      }
    },
  };
  const showStem = () => {
    const stem = says.stems[stems.value];
    const kept = models.value;
    models.replaceChildren(...says.models.filter((name) => name in stem.models).map((name) => new Option(name, name)));
    if (kept in stem.models) models.value = kept;
    const cells = stem.models[models.value];
    document.getElementById("say-text").textContent = stem.stem;
    document.getElementById("say-note").textContent = stem.note;
    document.getElementById("say-columns").replaceChildren(...says.columns.filter(({ name }) => name in cells).map(({ name, title }) => {
      const column = make("div", "column");
      column.append(make("h3", "", title));
      fill[stem.kind](column, cells[name]);
      return column;
    }));
  };
  if (stems) {
    for (const group of new Set(says.stems.map((stem) => stem.group))) {
      const options = document.createElement("optgroup");
      options.label = group;
      says.stems.forEach((stem, k) => { if (stem.group === group) options.append(new Option(stem.stem, k)); });
      stems.append(options);
    }
    stems.addEventListener("change", showStem);
    models.addEventListener("change", showStem);
    showStem();
  }

  // --- Contents: the section in view is marked.
  const links = new Map([...document.querySelectorAll("#contents a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const [name, link] of links) {
        if (name === entry.target.id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const name of links.keys()) seen.observe(document.getElementById(name));
})();
