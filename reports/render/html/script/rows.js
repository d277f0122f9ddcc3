// The rows: all of them are sorted and filtered by an index of small numbers; texts come from the page or from the files beside
// it, when they are seen. What a text says is never markup: every piece goes through `said`.
(() => {
  const holder = document.getElementById("data");
  if (!holder) return;
  const { about, index: own, rows: within } = JSON.parse(holder.textContent);
  const form = document.getElementById("filter");
  const control = (id) => document.getElementById(id);
  const labels = about.labels.length, PER = 50;
  const says = [...about.labels, ...about.invalid.map((kind) => "invalid: " + kind), ...about.unanswered.map((kind) => "no answer: " + kind)];
  const models = about.models.map((_, model) => model);
  let index = own, beside = false, view = [], page = 0, turn = 0;
  let sort = { by: "kind", down: false };

  // Elements.
  const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\u{e0000}-\u{e007f}]/gu;
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== false) made.setAttribute(name, value === true ? "" : value);
    made.append(...children.filter((child) => child !== null));
    return made;
  };
  // A text of the data: it turns no reading order but its own, and what cannot be seen is shown.
  const said = (text) => {
    const made = element("bdi");
    let end = 0;
    for (const found of text.matchAll(HIDDEN)) {
      const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      made.append(text.slice(end, found.index), element("i", {}, "U+" + code));
      end = found.index + found[0].length;
    }
    made.append(text.slice(end));
    return made;
  };
  const plain = (text) => text.replace(HIDDEN, (sign) => "U+" + sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));
  const number = (value) => value.toLocaleString("en-US");

  // Rows beside the page: each file is a script that calls this with plain data.
  const got = new Map();
  window.tunebenchRows = (key, part, content) => { if (key === about.key) got.set(part, content); };
  const load = (part) => got.has(part) ? null : new Promise((done, fail) => {
    const script = element("script", { src: `${encodeURIComponent(about.beside)}/${part < 0 ? "index" : part}.js` });
    script.onload = () => { script.remove(); got.has(part) ? done() : fail(new Error("the files beside this page are of another run")); };
    script.onerror = () => { script.remove(); fail(new Error("not there")); };
    document.head.append(script);
  });
  const part = (row) => Math.floor(row / about.chunk);
  const content = (row) => beside ? got.get(part(row))[row % about.chunk] : within[row];
  const fetched = async (rows, mine, doing) => {
    if (!beside) return true;
    const parts = [...new Set(rows.map(part))].filter((part) => !got.has(part));
    for (let at = 0; at < parts.length; at += 8) {
      if (parts.length > 8) tell(`${doing} ${number(at * about.chunk)} of ${number(parts.length * about.chunk)} rows …`);
      await Promise.all(parts.slice(at, at + 8).map(load));
      if (mine !== turn) return false;
    }
    return true;
  };

  // What a model made of a row.
  const answer = (model, row) => index.answers[model][row];
  const outcome = (model, row) => {
    const code = answer(model, row);
    if (code < 0 || code >= labels + about.invalid.length) return "none";
    return code === index.gold[row] ? "right" : code < labels ? "wrong" : "invalid";
  };
  const words = (model, row) => answer(model, row) < 0 ? "not asked" : says[answer(model, row)];
  const chance = (model, row) => index.chances[model][row];
  const percent = (thousandths) => thousandths < 0 ? "" : (thousandths / 10).toFixed(1) + " %";
  const judged = (model, row) => {
    const came = outcome(model, row), mark = { right: "✓\u00a0", wrong: "✗\u00a0", invalid: "✗\u00a0", none: "" }[came];
    const cell = element("td", { class: came === "right" ? "yes" : came === "none" ? "none" : "no" }, mark, said(words(model, row)));
    if (chance(model, row) >= 0) cell.append(element("small", {}, percent(chance(model, row))));
    return cell;
  };

  // Which rows are seen, and in which order.
  const tell = (text) => { control("shown").value = text; };
  const wanted = () => {
    const value = (id) => control(id).value, share = (id, none) => value(id) === "" ? none : Number(value(id)) * 10;
    const kind = control("kinds").querySelector("[aria-pressed=true]").dataset.kind;
    const among = value("of-model") === "" ? models : [Number(value("of-model"))];
    const [gold, came, code] = [value("of-gold"), value("of-outcome"), value("of-answer")];
    const [property, part] = value("of-part").split(":").map(Number);
    const [from, to] = [share("from", -1), share("to", 1001)], bounded = from >= 0 || to <= 1000;
    const fits = (model, row) => (came === "" || outcome(model, row) === came) && (code === "" || answer(model, row) === Number(code))
      && (!bounded || (chance(model, row) >= Math.max(from, 0) && chance(model, row) <= to));
    const any = came === "" && code === "" && !bounded;
    const rows = [];
    for (let row = 0; row < index.gold.length; row += 1) {
      if ((kind === "" || index.kind[row] === Number(kind)) && (gold === "" || index.gold[row] === Number(gold))
        && (part === undefined || index.slices[property][row] === part)
        && (any || among.some((model) => fits(model, row)))) rows.push(row);
    }
    return rows;
  };
  const key = () => {
    const place = says.map((_, i) => i).sort((a, b) => says[a].localeCompare(says[b])).reduce((all, i, at) => { all[i] = at; return all; }, []);
    const [by, model] = sort.by.split(":");
    return {
      kind: (row) => index.kind[row] < 0 ? 99 : index.kind[row], row: (row) => row, gold: (row) => place[index.gold[row]],
      text: (row) => content(row)[2] ?? "", answer: (row) => place[answer(model, row)] ?? -1, chance: (row) => chance(model, row),
    }[by];
  };
  const refresh = async () => {
    const mine = turn += 1;
    let rows = wanted();
    const search = control("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    try {
      if (search.length > 0) {
        if (!await fetched(rows, mine, "searched")) return;
        rows = rows.filter((row) => {
          const all = [content(row).flat(2).join("\n"), says[index.gold[row]], ...models.map((model) => words(model, row))].join("\n").toLowerCase();
          return search.every((word) => all.includes(word));
        });
      }
      if (sort.by === "text" && !await fetched(rows, mine, "read")) return;
    } catch (error) {
      return tell(`Some rows cannot be read: ${error.message}.`);
    }
    const of = key(), text = sort.by === "text";
    const keys = new Map(rows.map((row) => [row, of(row)]));
    const order = (a, b) => text ? keys.get(a).localeCompare(keys.get(b)) : keys.get(a) - keys.get(b);
    rows.sort((a, b) => (sort.down ? order(b, a) : order(a, b)) || a - b);
    [view, page] = [rows, 0];
    await show();
  };

  // The table.
  const body = element("tbody"), heads = element("tr");
  const table = element("table", { class: "rows", id: "listed" }, element("thead", {}, heads), body);
  const pager = element("div", { class: "pager", role: "group", "aria-label": "Pages" });
  const head = (by, title) => element("button", { type: "button", "data-by": by }, title);
  const show = async () => {
    const mine = turn, seen = view.slice(page * PER, (page + 1) * PER);
    try {
      if (!await fetched(seen, mine, "read")) return;
    } catch (error) {
      return tell(`Some rows cannot be read: ${error.message}.`);
    }
    for (const cell of heads.cells) {
      const button = [...cell.querySelectorAll("button")].find((button) => button.dataset.by === sort.by);
      button ? cell.setAttribute("aria-sort", sort.down ? "descending" : "ascending") : cell.removeAttribute("aria-sort");
      for (const one of cell.querySelectorAll("button")) one.toggleAttribute("data-sorted", one === button);
    }
    body.replaceChildren(...seen.map((row) => {
      const [id, line, text] = content(row);
      const named = line > 0 ? `line ${line}` : id;
      const toggle = element("button", { type: "button", class: "toggle", "aria-expanded": "false", "aria-label": `Open ${named}` }, "▸");
      const cell = element("td", { class: "text", dir: "auto" }, toggle, element("div", { class: "clamp" }, text === null ? element("code", {}, id) : said(text)));
      return element("tr", { "data-row": row }, cell, element("td", {}, said(says[index.gold[row]])), ...models.map((model) => judged(model, row)));
    }));
    const pages = Math.max(1, Math.ceil(view.length / PER));
    pager.replaceChildren(
      element("button", { type: "button", "data-to": page - 1, disabled: page === 0 }, "‹ Previous"),
      element("span", {}, `page ${number(page + 1)} of ${number(pages)}`),
      element("button", { type: "button", "data-to": page + 1, disabled: page + 1 >= pages }, "Next ›"),
    );
    pager.hidden = pages === 1;
    control("nothing").hidden = view.length > 0;
    const all = index.gold.length;
    tell(view.length === all ? `${number(all)} rows` : `${number(view.length)} of ${number(all)} rows`);
  };

  // One row, with all that is known of it.
  const money = (dollars) => dollars === null ? "" : "$" + (dollars > 0 && dollars < 0.01 ? dollars.toPrecision(2) : dollars.toFixed(2));
  const prompts = (row) => {
    const [id, , text, fields] = content(row), made = [];
    for (const sha of new Set(about.prompt_of.filter(Boolean))) {
      const asked = models.filter((model) => about.prompt_of[model] === sha).map((model) => about.models[model]);
      const own = (name) => name === "text" ? text : fields[about.columns.indexOf(name)];
      const filled = (message) => message.content.replace(/\{([^{}]+)\}/g, (whole, name) => own(name) ?? whole);
      const messages = about.prompts[sha].flatMap((message) => [element("p", { class: "note" }, said(message.role)), element("pre", { tabindex: "0" }, said(filled(message)))]);
      made.push(element("details", {}, element("summary", {}, "Prompt for ", said(asked.join(", "))), ...messages,
        element("p", { class: "note" }, "Where solved examples are chosen for each text, ", element("code", {}, `tunebench show ${id}`), " shows those of this row.")));
    }
    return made;
  };
  const opened = (row) => {
    const [id, line, text, fields, answers] = content(row);
    const kind = about.kinds[index.kind[row]], cells = (...values) => values.map((value) => element("td", {}, value === null || value === "" ? "" : said(String(value))));
    const facts = element("dl", { class: "facts" }, ...about.columns.flatMap((column, i) => fields[i] === "" || fields[i] === undefined ? []
      : [element("div", {}, element("dt", {}, said(column)), element("dd", {}, said(fields[i])))]));
    // What is known of no model has no column.
    const time = (ms) => ms < 0.1 ? "< 0.1 ms" : ms < 1000 ? ms.toFixed(ms < 10 ? 1 : 0) + " ms" : (ms / 1000).toFixed(1) + " s";
    const took = models.map((model) => {
      const [, latency, input, output, cost, version] = answers[model] ?? [];
      return [latency == null ? "" : time(latency), input == null && output == null ? "" : `${number(input ?? 0)}, ${number(output ?? 0)}`, money(cost ?? null), version ?? ""];
    });
    const names = ["Time", "Tokens in, out", "Cost", "Version"], known = names.map((_, i) => took.some((one) => one[i] !== ""));
    const line_of = (model) => {
      const raw = answers[model]?.[0];
      return element("tr", {}, element("th", { scope: "row" }, said(about.models[model])), judged(model, row),
        element("td", { class: "raw" }, raw == null ? element("em", {}, "not kept") : said(raw)), ...cells(...took[model].filter((_, i) => known[i])));
    };
    const heads = ["Model", "Read as", "Raw answer", ...names.filter((_, i) => known[i])];
    return element("tr", { class: "opened" }, element("td", { colspan: 2 + models.length }, element("div", {},
      element("p", { class: "note" }, element("code", {}, id), line > 0 ? `, line ${number(line)} of the test file` : "", kind ? `, ${kind[1]}` : ""),
      text === null ? null : element("pre", { class: "whole", dir: "auto", tabindex: "0" }, said(text)), facts,
      element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Answers to this row" }, element("table", {},
        element("thead", {}, element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...models.map(line_of)))), ...prompts(row))));
  };
  const toggle = (line) => {
    const button = line.querySelector(".toggle"), open = button.getAttribute("aria-expanded") === "true";
    open ? line.nextElementSibling.remove() : line.after(opened(Number(line.dataset.row)));
    button.setAttribute("aria-expanded", String(!open));
    button.textContent = open ? "▸" : "▾";
  };

  // Copy as CSV; a cell that a spreadsheet would run begins with an apostrophe (OWASP, CSV Injection).
  const csv = () => {
    const guarded = (value) => { const text = String(value ?? ""); return `"${(/^[=+\-@|\t\r]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`; };
    const names = ["id", "line", "text", "gold label", ...about.columns, ...about.models.flatMap((model) => ["answer", "outcome", "probability", "raw answer"].map((what) => `${model}: ${what}`))];
    const line = (row) => {
      const [id, line, text, fields, answers] = content(row);
      return [id, line || "", text, says[index.gold[row]], ...about.columns.map((_, i) => fields[i]),
        ...models.flatMap((model) => [words(model, row), outcome(model, row), chance(model, row) < 0 ? "" : chance(model, row) / 1000, answers[model]?.[0]])];
    };
    return [names, ...view.map(line)].map((cells) => cells.map(guarded).join(",")).join("\r\n") + "\r\n";
  };
  control("copy").addEventListener("click", async () => {
    try {
      if (!await fetched(view, turn, "read")) return;
      tell(await copied(csv()) ? `${number(view.length)} rows copied` : "The browser does not let this page copy.");
    } catch (error) {
      tell(`Some rows cannot be read: ${error.message}.`);
    }
  });

  // What the reader does.
  let waiting;
  form.addEventListener("input", (event) => { clearTimeout(waiting); waiting = setTimeout(refresh, event.target.id === "search" ? 150 : 0); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { press(control("kinds").firstElementChild); setTimeout(refresh); });
  control("search").addEventListener("keydown", (event) => { if (event.key === "Escape" && event.target.value) { event.target.value = ""; refresh(); } });
  const press = (chip) => { for (const other of control("kinds").children) other.setAttribute("aria-pressed", String(other === chip)); };
  control("kinds").addEventListener("click", (event) => { const chip = event.target.closest("button"); if (chip) { press(chip); refresh(); } });
  heads.addEventListener("click", (event) => {
    const by = event.target.closest("button")?.dataset.by;
    if (!by) return;
    sort = { by, down: sort.by === by ? !sort.down : by.startsWith("chance") };
    refresh();
  });
  pager.addEventListener("click", (event) => {
    const to = event.target.closest("button")?.dataset.to;
    if (to !== undefined) { page = Number(to); show().then(() => table.scrollIntoView({ block: "nearest" })); }
  });
  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line && String(getSelection()) === "") toggle(line);
  });
  body.addEventListener("keydown", (event) => {
    const line = event.target.closest(".toggle")?.closest("tr"), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!line || !step) return;
    const lines = [...body.querySelectorAll("tr[data-row]")], next = lines[lines.indexOf(line) + step];
    if (next) { event.preventDefault(); next.querySelector(".toggle").focus(); }
  });
  // A cell of a confusion matrix, wherever it was chosen: its rows.
  document.addEventListener("cell", ({ detail: { model, gold, answer: code } }) => {
    form.reset();
    [control("of-model").value, control("of-gold").value, control("of-outcome").value] = [model, gold, code === null ? "invalid" : ""];
    control("of-answer").value = code ?? "";
    setTimeout(() => refresh().then(() => { control("rows").scrollIntoView(); body.querySelector(".toggle")?.focus({ preventScroll: true }); }), 1);
  });

  const options = (id, names) => control(id).append(...names.map((name, i) => element("option", { value: i }, plain(name))));
  const start = () => {
    const count = (kind) => index.kind.reduce((sum, one) => sum + (one === kind ? 1 : 0), 0);
    const chip = (kind, word, rows) => element("button", { type: "button", "data-kind": kind, "aria-pressed": String(kind === "") }, word + " ", element("span", {}, number(rows)));
    control("kinds").replaceChildren(chip("", "all", index.gold.length),
      ...about.kinds.map(([, word], kind) => [kind, word, count(kind)]).filter(([, , rows]) => rows > 0).map((one) => chip(...one)));
    return refresh();
  };
  options("of-gold", about.labels);
  control("of-part").append(...about.slices.map(([name, values], property) => element("optgroup", { label: plain(name) },
    ...values.map((value, i) => element("option", { value: `${property}:${i}` }, plain(value))))));
  control("part").hidden = about.slices.length === 0;
  options("of-answer", says);
  options("of-model", about.models);
  const sure = models.map((model) => own.chances[model].some((one) => one >= 0));
  control("chance").hidden = !sure.includes(true);
  heads.append(element("th", { scope: "col" }, head("kind", "Interest"), head("row", "Line"), head("text", "Text")), element("th", { scope: "col" }, head("gold", "Gold label")),
    ...models.map((model) => element("th", { scope: "col" }, head(`answer:${model}`, said(about.models[model])), sure[model] ? head(`chance:${model}`, "probability") : null)));
  control("browser").append(element("div", { class: "scroll tall", role: "region", tabindex: "0", "aria-labelledby": "rows" }, table),
    element("p", { id: "nothing", class: "note", hidden: true }, "No row fits."), pager);
  control("still").remove();
  control("browser").hidden = form.hidden = false;
  start();
  if (about.beside) {
    load(-1).then(() => { index = got.get(-1); beside = true; return start(); }, (error) => {
      control("extent").append(element("strong", {}, ` The folder ${about.beside} is not of use here: ${error.message}.`));
    });
  }
})();
