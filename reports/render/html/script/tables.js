// Tables that are on the page as they are: sorted by a click on a head, filtered by words where they are long, copied as CSV.
(() => {
  const LONG = 10;
  const UNITS = { s: 1000, ms: 1 };
  // What a cell says first; a small line below it says more.
  const first = (cell) => {
    const bars = cell.querySelectorAll(".bar span");
    if (bars.length > 0) return bars[bars.length - 1].textContent;
    const copy = cell.cloneNode(true);
    for (const more of copy.querySelectorAll("small, svg, title")) more.remove();
    return copy.textContent.trim();
  };
  const figure = (text) => {
    const found = /^[<>]? ?\$?([+-]?[\d,]*\.?\d+) ?(ms|s|%)?/.exec(text.replace("−", "-").replace("±", ""));
    return found ? Number(found[1].replaceAll(",", "")) * (UNITS[found[2]] ?? 1) : NaN;
  };
  const compare = (a, b) => {
    const [x, y] = [figure(a), figure(b)];
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return Number.isNaN(x) ? a.localeCompare(b) : x - y;
  };
  const csv = (table) => [...table.rows].filter((row) => row.checkVisibility() && !row.closest("tfoot[aria-hidden]")).map((row) => [...row.cells].flatMap((cell) => {
    const text = [...cell.childNodes].map((node) => node.textContent).join(" ").replace(/\s+/g, " ").trim();
    const cells = [`"${(/^[=+\-@|]/.test(text) && Number.isNaN(Number(text)) ? "'" + text : text).replaceAll('"', '""')}"`];
    for (let more = 1; more < cell.colSpan; more += 1) cells.push('""');
    return cells;
  }).join(",")).join("\r\n") + "\r\n";

  for (const table of document.querySelectorAll("main table:not(.rows, .forest)")) {
    // Parts of a table that belong together are not torn apart.
    if (table.tBodies.length !== 1 || !table.tHead) continue;
    table.classList.add("sortable");
    const body = table.tBodies[0], columns = new Map();
    let column = 0;
    for (const head of table.tHead.rows[table.tHead.rows.length - 1].cells) {
      columns.set(head, column);
      column += head.colSpan;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
    }
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("button")?.parentElement;
      if (!head) return;
      // Figures begin with the largest, names with the first.
      const numeric = [...body.rows].some((row) => !Number.isNaN(figure(first(row.cells[columns.get(head)]))));
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : numeric;
      for (const other of columns.keys()) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [first(row.cells[columns.get(head)]), row]);
      rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
      body.append(...rows.map((row) => row[1]));
    });
    const tools = document.createElement("div");
    tools.className = "tools";
    if (body.rows.length > LONG) {
      const search = document.createElement("input");
      search.type = "search";
      search.placeholder = "filter";
      search.setAttribute("aria-label", "Filter this table");
      search.addEventListener("input", () => {
        const words = search.value.toLowerCase().split(/\s+/);
        for (const row of body.rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      });
      tools.append(search);
    }
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = "Copy as CSV";
    copy.addEventListener("click", async () => {
      copy.textContent = await copied(csv(table)) ? "Copied" : "The browser does not let this page copy";
      setTimeout(() => { copy.textContent = "Copy as CSV"; }, 2000);
    });
    tools.append(copy);
    (table.closest(".scroll") ?? table).before(tools);
  }
})();
