// Confusion matrices: a cell is chosen by a click or by the arrow keys, and lists its rows; a label is found by its name.
(() => {
  const section = document.getElementById("matrices");
  if (!section) return;
  const order = section.dataset.order.split(",").map(Number), names = JSON.parse(document.getElementById("data")?.textContent ?? '{"about":{"labels":[]}}').about.labels;
  const mark = (svg, name, x, y, width, height) => {
    const box = svg.querySelector("." + name) ?? svg.appendChild(svg.querySelector(".ground").cloneNode());
    for (const [key, value] of Object.entries({ class: name, x, y, width, height })) box.setAttribute(key, value);
  };
  const choose = (model, gold, answer) => document.dispatchEvent(new CustomEvent("cell", { detail: { model, gold, answer } }));

  for (const button of section.querySelectorAll("button[data-gold]")) {
    button.addEventListener("click", () => {
      const { model, gold, answer } = button.dataset;
      choose(Number(model), Number(gold), answer === "" ? null : Number(answer));
    });
  }
  const matrices = [...section.querySelectorAll("svg.cells")];
  for (const svg of matrices) {
    const side = Number(svg.dataset.cell), columns = order.length + (svg.hasAttribute("data-invalid") ? 1 : 0);
    const region = svg.closest(".matrix"), output = region.parentElement.querySelector("output");
    let [row, column] = [0, 0];
    const left = (column) => column * side + (column === order.length ? 4 : 0);
    const point = (to_row, to_column) => {
      row = Math.max(0, Math.min(order.length - 1, to_row));
      column = Math.max(0, Math.min(columns - 1, to_column));
      mark(svg, "chosen", left(column), row * side, side, side);
      const cell = svg.querySelector(`[data-at="${row},${column}"] title`);
      output.value = cell ? cell.textContent : `${names[order[row]]} → ${column < order.length ? names[order[column]] : "invalid"}`;
    };
    const list = () => choose(Number(svg.dataset.model), order[row], column < order.length ? order[column] : null);
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      point(Math.floor((event.clientY - box.top) * scale / side), Math.floor((event.clientX - box.left) * scale / side));
      list();
    });
    region.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step) {
        event.preventDefault();
        point(row + step[0], column + step[1]);
        svg.querySelector(".chosen").scrollIntoView({ block: "nearest", inline: "nearest" });
      } else if (event.key === "Enter") {
        list();
      }
    });
  }
  const find = document.getElementById("find-label");
  if (!find) return;
  find.closest("label").hidden = false;
  for (const label of order) {
    const option = document.createElement("option");
    option.value = names[label];
    document.getElementById("label-names").append(option);
  }
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase(), named = order.map((label) => (names[label] ?? "").toLowerCase());
    const exact = named.indexOf(wanted), at = exact >= 0 ? exact : named.findIndex((name) => wanted !== "" && name.includes(wanted));
    for (const svg of matrices) {
      const side = Number(svg.dataset.cell);
      if (at < 0) {
        for (const box of svg.querySelectorAll(".across, .down")) box.remove();
        continue;
      }
      mark(svg, "across", 0, at * side, order.length * side, side);
      mark(svg, "down", at * side, 0, side, order.length * side);
      const region = svg.closest(".matrix");
      region.scrollTo({ left: at * side - region.clientWidth / 3, top: at * side - region.clientHeight / 3 });
    }
  });
})();
