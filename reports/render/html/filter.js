// Search and filter over the rows that stand on the page. Nothing is built from text: rows are shown or hidden.
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const chips = [...form.querySelectorAll("button[data-kind]")];
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const rows = [...document.querySelectorAll("#listed tbody tr")].map((row) => ({
    row,
    kind: row.dataset.kind,
    text: fold(row.textContent),
  }));

  const update = () => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    const kind = chips.find((chip) => chip.getAttribute("aria-pressed") === "true").dataset.kind;
    let count = 0;
    for (const { row, kind: own, text } of rows) {
      const fits = (!kind || own === kind) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      if (fits) count += 1;
    }
    shown.value = `${count} of ${rows.length} listed rows`;
    nothing.hidden = count > 0;
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", update);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
      update();
    });
  }
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    search.value = "";
    update();
  });
  form.hidden = false;
  update();
})();
