"""Opens the pages of a folder in Chromium and looks whether they keep what the report promises."""

import csv
import io
import os
import pathlib
import sys

from chromium import Chromium, Tab

WIDE, MIDDLE, NARROW = 1280, 820, 390

# What the colours of text have to reach beside the colour that is behind them: WCAG 2.2, 1.4.3, level AA.
CONTRAST = """(() => {
  const style = getComputedStyle(document.documentElement);
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (name) => {
    canvas.fillStyle = style.getPropertyValue(name);
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  return [['--ink', '--paper', 7], ['--muted', '--paper', 4.5], ['--accent', '--paper', 4.5], ['--wrong', '--paper', 4.5],
    ['--on', '--accent', 4.5], ['--on', '--wrong', 4.5], ['--ink', '--raised', 7], ['--grey', '--paper', 3]]
    .filter(([a, b, least]) => ratio(a, b) < least).map(([a, b]) => `${a} on ${b}: ${ratio(a, b).toFixed(2)}`);
})()"""

ACCESS = """(() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  if (!document.documentElement.lang) faults.push('no language');
  if (all('h1').length !== 1 || all('main').length !== 1) faults.push('not one title and one main part');
  for (const svg of all('svg')) {
    const silent = svg.getAttribute('aria-hidden') === 'true';
    if (!silent && !(svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label'))) faults.push('a picture without words');
  }
  for (const head of all('th')) if (!head.scope) faults.push('a head without scope: ' + head.textContent);
  for (const region of all('[role=region]')) {
    const id = region.getAttribute('aria-labelledby');
    if (!region.getAttribute('aria-label') && !document.getElementById(id)) faults.push('a region without a name');
    if (region.tabIndex !== 0) faults.push('a region that no key scrolls');
  }
  let level = 0;
  for (const head of all('h1, h2, h3, h4')) {
    const own = Number(head.tagName[1]);
    if (own > level + 1) faults.push('a level is left out before ' + head.textContent);
    level = own;
  }
  for (const link of all('a[href^="#"]')) if (!document.querySelector(link.getAttribute('href'))) faults.push('a link to nowhere');
  return faults;
})()"""

# Marks that do not stand where their scale says: each carries its figure, and the axis' ticks tell where figures belong.
OFF_SCALE = """(() => {
  const faults = [], marks = (root, selector) => [...root.querySelectorAll(selector)];
  const centre = (mark, axis) => {
    const box = mark.getBoundingClientRect();
    return axis === 'x' ? box.left + box.width / 2 : box.top + box.height / 2;
  };
  // From figures to pixels, by the ticks that lie farthest apart.
  const scale = (ticks) => {
    ticks.sort((a, b) => a[0] - b[0]);
    const [first, last] = [ticks[0], ticks.at(-1)];
    return (figure) => first[1] + (figure - first[0]) / (last[0] - first[0]) * (last[1] - first[1]);
  };
  let held = 0;
  const hold = (what, expected, found) => {
    held += 1;
    if (!(Math.abs(expected - found) <= 1)) faults.push(`${what} stands at ${found.toFixed(1)} instead of ${expected.toFixed(1)}`);
  };
  for (const table of marks(document, 'table')) {
    const ticks = marks(table, 'tfoot .strip .tick').map((tick) => [Number(tick.dataset.at), centre(tick, 'x')]);
    if (ticks.length < 2) continue;
    const at = scale(ticks);
    for (const mark of marks(table, '.strip [data-at]')) hold('a mark at ' + mark.dataset.at, at(mark.dataset.at), centre(mark, 'x'));
    for (const line of marks(table, '.strip [data-low]')) {
      const box = line.getBoundingClientRect();
      hold('a low end', at(line.dataset.low), box.left);
      hold('a high end', at(line.dataset.high), box.right);
    }
  }
  for (const bars of marks(document, '.bars').filter((bars) => bars.checkVisibility())) {
    const box = bars.getBoundingClientRect(), at = (share) => box.left + share * box.width;
    for (const bar of marks(bars, 'rect')) hold('a bar', at(bar.dataset.at), bar.getBoundingClientRect().right);
    for (const line of marks(bars, 'line')) {
      hold('a low end', at(line.dataset.low), line.getBoundingClientRect().left);
      hold('a high end', at(line.dataset.high), line.getBoundingClientRect().right);
    }
  }
  for (const plot of marks(document, '.plot').filter((plot) => plot.checkVisibility())) {
    const of = (name) => scale(marks(plot, `line[data-${name}]`).map((tick) => [Number(tick.dataset[name]), centre(tick, name)]));
    const [x, y] = [of('x'), of('y')];
    for (const dot of marks(plot, 'circle')) {
      hold('a dot', x(dot.dataset.x), centre(dot, 'x'));
      hold('a dot', y(dot.dataset.y), centre(dot, 'y'));
    }
    for (const line of marks(plot, 'polyline')) {
      for (const [end, point] of [['first', line.points[0]], ['last', line.points[line.points.length - 1]]]) {
        if (!point) continue;
        const [wanted, pixel] = [line.dataset[end].split(' '), point.matrixTransform(line.getScreenCTM())];
        hold('a line', x(wanted[0]), pixel.x);
        hold('a line', y(wanted[1]), pixel.y);
      }
    }
  }
  return [held, faults];
})()"""

faults: list[str] = []
checks = 0


def check(fine: bool, what: str) -> None:
    global checks
    checks += 1
    if not fine:
        faults.append(what)
        print(f"FAULT: {what}", file=sys.stderr)


def quiet(tab: Tab, where: str, beside: pathlib.Path | None = None) -> None:
    """Nothing was complained of, and nothing was asked for but what lies beside the page."""
    for event in tab.seen("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
        check(False, f"{where}: the console says {event}")
    for event in tab.seen("Network.requestWillBeSent"):
        url = event["request"]["url"]
        own = beside is not None and url.startswith(beside.as_uri())
        check(url.split("#")[0] == tab.url or url.startswith("data:") or own, f"{where}: it asks for {url}")


def opens_well(browser: Chromium, page: pathlib.Path) -> None:
    for width in (WIDE, NARROW):
        for dark in (False, True):
            where = f"{page.name} at {width}, {'dark' if dark else 'light'}"
            tab = browser.open(page.as_uri(), width, dark=dark)
            tab.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
            across = tab.value("document.documentElement.scrollWidth")
            check(across <= width, f"{where}: it is {across} wide")
            low = tab.value(CONTRAST)
            check(low == [], f"{where}: too little contrast, {low}")
            if (shots := os.environ.get("TUNEBENCH_SCREENSHOTS")):
                os.makedirs(shots, exist_ok=True)
                tab.screenshot(f"{shots}/{page.stem}-{width}-{'dark' if dark else 'light'}.png")
            quiet(tab, where, page.parent / f"{page.stem}-rows")
            tab.close()
    tab = browser.open(page.as_uri(), WIDE)
    found = tab.value(ACCESS)
    check(found == [], f"{page.name}: {found}")
    tab.close()


def marks_stand_on_their_scales(browser: Chromium, page: pathlib.Path) -> None:
    for width in (WIDE, MIDDLE, NARROW):
        tab = browser.open(page.as_uri(), width)
        tab.value("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        held, off = tab.value(OFF_SCALE)
        check(held > 0 or page.stem == "alone", f"{page.name} at {width}: no mark was measured")
        check(off == [], f"{page.name} at {width}: {len(off)} marks are off their scale, {off[:3]}")
        tab.close()


SHOWN = "[...document.querySelectorAll('#listed tbody tr[data-row]')]"
SAID = "document.getElementById('shown').value"


def settled(tab: Tab, what: str, expression: str) -> None:
    """Waits until something holds; the page answers in its own time."""
    try:
        tab.until(expression)
        check(True, what)
    except TimeoutError:
        check(False, f"{what}: {tab.value(SAID)!r}")


def rows_said(tab: Tab) -> int:
    return int(tab.value(SAID).split(" ")[0].replace(",", ""))


def rows_are_found(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE)
    settled(tab, "all rows are there at first", f"{SAID} === '400 rows' && {SHOWN}.length === 50")
    check(tab.value("document.getElementById('still') === null"), "the table without a script has gone")

    tab.value("document.getElementById('search').focus()")
    tab.type("refund")
    settled(tab, "typing narrows the rows", f"/ of 400/.test({SAID})")
    narrowed = rows_said(tab)
    fitting = tab.value(f"{SHOWN}.every(row => /refund/i.test(row.textContent))")
    check(0 < narrowed < 400 and fitting, f"what is left holds the word: {narrowed}")
    tab.type(" nothing holds this")
    settled(tab, "no row is said to be none", "document.getElementById('nothing').checkVisibility()")
    tab.press("Escape", 27)
    settled(tab, "escape shows all rows again", f"{SAID} === '400 rows'")

    tab.press("Tab", 9)
    tab.press("Tab", 9)
    check(tab.value("document.activeElement.dataset.kind") == "0", "the tab key reaches the chips")
    check(tab.value("getComputedStyle(document.activeElement).outlineStyle") != "none", "what has the focus is seen to have it")
    tab.press(" ", 32)
    settled(tab, "a chip narrows the rows to its kind", f"/ of 400/.test({SAID})")
    lost = tab.value(f"{SHOWN}.every(row => row.cells[2].className === 'yes' && row.cells[3].className === 'no')")
    check(lost, "rows that got worse were right and are wrong")
    check(tab.value("document.activeElement.getAttribute('aria-pressed')") == "true", "a chip says that it is pressed")
    tab.value("document.querySelector('#filter [type=reset]').click()")
    settled(tab, "clear shows all rows", f"{SAID} === '400 rows'")

    def choose(control: str, value: str) -> None:
        tab.value(f"{{ const one = document.getElementById('{control}'); one.value = '{value}'; one.dispatchEvent(new Event('input', {{ bubbles: true }})); }}")

    choose("of-model", "1")
    choose("of-outcome", "wrong")
    settled(tab, "outcome and model narrow the rows", f"/ of 400/.test({SAID}) && {SHOWN}.every(row => row.cells[3].className === 'no')")
    wrong = rows_said(tab)
    choose("from", "90")
    settled(tab, "a probability narrows them further", f"{SHOWN}.every(row => parseFloat(row.cells[3].querySelector('small').textContent) >= 90)")
    check(rows_said(tab) < wrong, "fewer rows are that sure")
    tab.value("document.querySelector('#filter [type=reset]').click()")
    settled(tab, "clear shows all rows again", f"{SAID} === '400 rows'")

    tab.value("document.querySelector('#listed [data-by=\"chance:1\"]').click()")
    descending = f"(() => {{ const all = {SHOWN}.map(row => parseFloat(row.cells[3].querySelector('small')?.textContent ?? '-1')); return all.every((one, i) => i === 0 || one <= all[i - 1]); }})()"
    settled(tab, "a head sorts by probability, the surest first", f"document.querySelectorAll('#listed th')[3].getAttribute('aria-sort') === 'descending' && {descending}")
    tab.value("document.querySelector('#listed [data-by=gold]').click()")
    golds = f"(() => {{ const all = {SHOWN}.map(row => row.cells[1].textContent); return all.every((one, i) => i === 0 || all[i - 1].localeCompare(one) <= 0); }})()"
    settled(tab, "a head sorts by label", golds)
    check(tab.value("document.querySelector('.pager').checkVisibility()"), "there are pages")
    tab.value("document.querySelector('.pager [data-to=\"1\"]').click()")
    settled(tab, "the next page", "/page 2 of 8/.test(document.querySelector('.pager').textContent)")
    tab.value("document.getElementById('search').focus()")
    tab.press("Enter", 13)
    check(tab.value("location.href") == tab.url, "the enter key sends nothing")
    quiet(tab, "the filter")
    tab.close()

    still = browser.open(page.as_uri(), NARROW, scripts=False)
    seen = still.value("document.getElementById('filter').checkVisibility()")
    listed = still.value("[...document.querySelectorAll('#still tbody tr')].filter(row => row.checkVisibility()).length")
    check(not seen and listed == 50, f"without scripts 50 rows are seen, and no filter: {listed}")
    still.close()


def a_row_opens(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE)
    settled(tab, "rows are there", f"{SHOWN}.length === 50")
    tab.value("document.querySelector('#listed .toggle').focus()")
    tab.press("Enter", 13)
    opened = "document.querySelector('#listed .opened')"
    check(tab.value(f"{opened} !== null"), "enter opens a row")
    check(tab.value("document.activeElement.getAttribute('aria-expanded')") == "true", "a row says that it is open")
    text = tab.value(f"{opened}.textContent")
    wanted = ["Raw answer", "<output>card</output>", "T-", "40, 3", "$0.00012", "Prompt for", "Classify it by"]
    missing = [part for part in wanted if part not in text]
    check(missing == [], f"an open row shows what is known of it: {missing}")
    check(tab.value(f"{opened}.querySelector('details pre:last-of-type').textContent.includes({opened}.querySelector('.whole').textContent)"), "the prompt holds the text of the row")
    tab.press("ArrowDown", 40)
    check(tab.value("document.activeElement.closest('tr') === [...document.querySelectorAll('#listed tr[data-row]')][1]"), "an arrow goes to the next row")
    tab.press(" ", 32)
    check(tab.value("document.querySelectorAll('#listed .opened').length") == 2, "space opens that one, too")
    tab.press("ArrowUp", 38)
    tab.press("Enter", 13)
    check(tab.value("document.querySelectorAll('#listed .opened').length") == 1, "enter closes the first again")
    found = tab.value(ACCESS)
    check(found == [], f"with a row open: {found}")
    if (shots := os.environ.get("TUNEBENCH_SCREENSHOTS")):
        tab.value("document.getElementById('rows').scrollIntoView({ behavior: 'instant' })")
        tab.screenshot(f"{shots}/row-open.png", whole=False)
    quiet(tab, "an open row")
    tab.close()
    tab = browser.open(page.as_uri(), NARROW)
    settled(tab, "rows are there on a small screen", f"{SHOWN}.length === 50")
    tab.value("document.querySelector('#listed .toggle').click()")
    across = tab.value("document.documentElement.scrollWidth")
    check(across <= NARROW, f"an open row fits a small screen: {across}")
    if shots:
        tab.value("document.getElementById('listed').scrollIntoView({ behavior: 'instant' })")
        tab.screenshot(f"{shots}/row-open-narrow.png", whole=False)
    tab.close()


def a_cell_lists_its_rows(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE)
    settled(tab, "rows are there", f"{SHOWN}.length === 50")
    cell = tab.value("""(() => {
      const cell = [...document.querySelectorAll('svg.cells')][1].querySelector('rect[class^=w]');
      cell.scrollIntoView({ block: 'center', behavior: 'instant' });
      const box = cell.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2, cell.querySelector('title').textContent];
    })()""")
    tab.click(cell[0], cell[1])
    pair, rows = cell[2].split(": ")[0].split(" → "), int(cell[2].split(": ")[1].split(" ")[0])
    settled(tab, "a click on a cell lists its rows", f"{SAID} === '{rows} of 400 rows'")
    fits = f"{SHOWN}.every(row => row.cells[1].textContent === {pair[0]!r} && row.cells[3].textContent.includes({pair[1]!r}))"
    check(tab.value(fits), f"they are those of the cell: {cell[2]}")
    tab.value("document.querySelector('.matrix').focus()")
    for _ in range(2):
        tab.press("ArrowDown", 40)
    tab.press("ArrowRight", 39)
    said = tab.value("document.querySelector('.confusion output').value")
    check("→" in said, f"arrow keys choose a cell, which is said: {said!r}")
    tab.press("Enter", 13)
    settled(tab, "enter lists its rows", f"document.getElementById('of-model').value === '0' && {SHOWN}.every(row => row.cells[1].textContent === {said.split(' → ')[0]!r})")
    tab.value("document.querySelector('.largest tbody button').click()")
    count = tab.value("document.querySelector('.largest tbody button').textContent")
    settled(tab, "a number in the list of confusions lists its rows, too", f"{SAID}.startsWith('{count} of 400')")
    quiet(tab, "cells")
    tab.close()


def tables_sort_and_copy(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE, clipboard=True)
    first = "document.querySelector('.classes tbody tr th').textContent"
    tab.value("document.querySelector('.classes thead button').click()")
    names = tab.value("[...document.querySelectorAll('.classes')[0].tBodies[0].rows].map(row => row.cells[0].textContent)")
    check(names == sorted(names), f"a head sorts the labels: {names[:3]}")
    tab.value("[...document.querySelectorAll('.classes thead button')][1].click()")
    support = tab.value("[...document.querySelectorAll('.classes')[0].tBodies[0].rows].map(row => Number(row.cells[1].textContent.replace(',', '')))")
    check(support == sorted(support, reverse=True), f"figures sort with the largest first: {support[:3]}")
    plain = tab.value("[...document.querySelectorAll('main table:not(.rows, .forest)')].filter(table => table.tHead && !table.tHead.querySelector('button')).length")
    check(plain == 0, f"every table can be sorted: {plain} can't")
    tab.value("document.querySelector('.models').closest('.scroll').previousElementSibling.querySelector('button').click()")
    tab.until("document.querySelector('.models').closest('.scroll').previousElementSibling.textContent.includes('Copied')")
    copied = tab.value("navigator.clipboard.readText()")
    check(copied.startswith('"Model","Accuracy') and copied.count("\r\n") == 3, f"a table is copied as CSV: {copied[:60]!r}")
    settled(tab, "rows are there", f"{SHOWN}.length === 50")
    tab.value("document.getElementById('copy').click()")
    settled(tab, "the rows are copied", f"{SAID} === '400 rows copied'")
    lines = tab.value("navigator.clipboard.readText()")
    table = list(csv.reader(io.StringIO(lines, newline="")))
    check(len(table) == 401 and table[0][:4] == ["id", "line", "text", "gold label"], f"all rows are copied as CSV: {len(table)}")
    check(not any(cell[:1] in ("=", "+", "@", "-") for row in table for cell in row), "no cell is run as a formula")
    quiet(tab, "tables")
    tab.close()


def parts_choose_rows(browser: Chromium) -> None:
    shipped = pathlib.Path(__file__).resolve().parents[2] / "reports" / "examples" / "report.html"
    tab = browser.open(shipped.as_uri(), WIDE)
    settled(tab, "the shipped example shows its rows", f"{SAID} === '400 rows'")
    tab.value("{ const one = document.getElementById('of-part'); one.value = '0:1'; one.dispatchEvent(new Event('input', { bubbles: true })); }")
    settled(tab, "rows are chosen by a part of them", f"/^(225|166|9) of 400 rows$/.test({SAID})")
    part = tab.value("document.getElementById('of-part').selectedOptions[0].textContent")
    counted = tab.value(f"[...document.querySelectorAll('section[aria-labelledby=slices] tr')].find(row => row.cells[0].textContent === '{part}').cells[1].textContent")
    check(tab.value(SAID) == f"{counted.split(' ')[0]} of 400 rows", f"as many as the table of parts counts: {part}, {counted}")
    quiet(tab, "parts")
    tab.close()


def a_hundred_thousand_rows(browser: Chromium, folder: pathlib.Path) -> None:
    tab = browser.open((folder / "large.html").as_uri(), WIDE)
    settled(tab, "all rows are found beside the page", f"{SAID} === '100,000 rows' && {SHOWN}.length === 50")
    def choose(control: str, value: str) -> None:
        tab.value(f"{{ const one = document.getElementById('{control}'); one.value = '{value}'; one.dispatchEvent(new Event('input', {{ bubbles: true }})); }}")
    choose("of-gold", "3")
    settled(tab, "they are filtered by label", f"/ of 100,000/.test({SAID}) && {SHOWN}.length === 50")
    check(1200 < rows_said(tab) < 1400, f"a 77th of them: {tab.value(SAID)}")
    tab.value("document.querySelector('#filter [type=reset]').click()")
    settled(tab, "all again", f"{SAID} === '100,000 rows'")
    tab.value("document.getElementById('search').focus()")
    tab.type("T-99999")
    settled(tab, "all texts are searched", f"{SAID} === '1 of 100,000 rows'")
    tab.value("document.querySelector('#listed .toggle').click()")
    check("line 100,000" in tab.value("document.querySelector('#listed .opened').textContent"), "the row opens")
    quiet(tab, "a hundred thousand rows", beside=folder / "large-rows")
    check(tab.value("document.title").find("broken") < 0, "no text has run")
    tab.close()

    alone = browser.open((folder / "mailed" / "large.html").as_uri(), WIDE)
    settled(alone, "without its folder the page shows what it holds", f"{SAID} === '500 rows' && /not of use here/.test(document.getElementById('extent').textContent)")
    alone.close()


def one_look(browser: Chromium, folder: pathlib.Path) -> None:
    tab = browser.open((folder / "eight.html").as_uri(), NARROW)
    head = tab.value("document.querySelector('h1').textContent")
    check(" can replace " in head, f"the headline names the decision: {head}")
    tab.value("document.querySelector('.models').scrollIntoView({ behavior: 'instant' })")
    best = """(() => {
      const dots = [...document.querySelectorAll('.models .strip [data-at]:not(.tick)')].filter((dot) => dot.closest('tbody'));
      const best = dots.reduce((a, b) => Number(b.dataset.at) > Number(a.dataset.at) ? b : a);
      const box = best.getBoundingClientRect();
      return [best.dataset.at, box.left, box.right, innerWidth];
    })()"""
    at, left, right, width = tab.value(best)
    check(0 <= left and right <= width, f"the best model's dot ({at}) is on a small screen: {left} to {right} of {width}")
    tab.close()
    tab = browser.open((folder / "many.html").as_uri(), WIDE)
    matrix = "document.querySelector('.matrix')"
    tab.value(f"{matrix}.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    tab.value(f"{matrix}.scrollTo(700, 700)")
    stuck = tab.value(f"""(() => {{
      const box = {matrix}.getBoundingClientRect(), over = {matrix}.querySelector('.over').getBoundingClientRect(), side = {matrix}.querySelector('.side').getBoundingClientRect();
      return [over.top - box.top, side.left - box.left, box.bottom <= innerHeight, {matrix}.scrollLeft];
    }})()""")
    check(abs(stuck[0]) <= 1 and abs(stuck[1]) <= 1 and stuck[3] == 700, f"the heads of a large matrix stay in sight: {stuck}")
    check(stuck[2], "its scroll bar is on the screen with it")
    tab.value("document.getElementById('find-label').focus()")
    tab.type("pin_missing")
    found = tab.value(f"""(() => {{
      const box = {matrix}.getBoundingClientRect(), across = {matrix}.querySelector('.across').getBoundingClientRect(), down = {matrix}.querySelector('.down').getBoundingClientRect();
      return across.top >= box.top && across.bottom <= box.bottom && down.left >= box.left && down.right <= box.right;
    }})()""")
    check(found, "a label is found by its name")
    quiet(tab, "a large matrix")
    tab.close()
    tab = browser.open((folder / "many.html").as_uri(), NARROW)
    order = tab.value("document.querySelector('.listing').getBoundingClientRect().top < document.querySelector('.matrix').getBoundingClientRect().top")
    check(order, "on a small screen the list of confusions comes before the matrix")
    tab.close()


def hostile_text_is_text(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE)
    settled(tab, "rows are there", f"{SHOWN}.length === 50")
    tab.value("document.querySelectorAll('#listed .toggle').forEach((toggle) => toggle.click())")
    check("broken" not in tab.value("document.title"), "no text has run")
    check(tab.value("document.scripts.length") == 2, "no text has become a script")
    check(tab.value("document.querySelectorAll('img, iframe, object, embed, svg [onload]').length") == 0, "no text has become an element")
    text = ""
    while True:
        text += tab.value("document.getElementById('listed').textContent")
        if tab.value("document.querySelector('.pager button:last-child').disabled"):
            break
        tab.value("document.querySelector('.pager button:last-child').click()")
        tab.value("document.querySelectorAll('#listed .toggle').forEach((toggle) => toggle.click())")
    for wanted in ("<script>document.title = 'broken'</script>", 'onerror="document.title=\'broken\'">', "]]> --> <!-- <![CDATA[", "&lt;b&gt;"):
        check(wanted in text, f"{wanted} shows as text")
    for mark in "\u202e\u202c\u2066\u2069\u200f\0\x1b":
        name = f"U+{ord(mark):04X}"
        check(mark not in text and name in text, f"{name} is shown, not obeyed")
    isolated = tab.value("[...document.querySelectorAll('#listed bdi')].every(part => getComputedStyle(part).unicodeBidi === 'isolate')")
    check(isolated, "no text turns the order of what is around it")
    quiet(tab, "hostile text")
    # Even what broke out could neither run nor load anything.
    runs = "document.title='ran'"
    for markup in (f"<img src=x onerror=\"{runs}\">", f"<iframe srcdoc=\"<script>parent.{runs}</script>\"></iframe>", f"<svg onload=\"{runs}\"></svg>"):
        tab.value(f"document.body.insertAdjacentHTML('beforeend', {markup!r})")
    tab.value(f"{{ const script = document.createElement('script'); script.textContent = {runs!r}; document.body.append(script); }}")
    for source in ("https://example.invalid/x.js", "data:text/javascript," + runs):
        tab.value(f"{{ const script = document.createElement('script'); script.src = {source!r}; document.head.append(script); }}")
    tab.value("new Promise((done) => setTimeout(done, 300))")
    check(tab.value("document.title") != "ran", "the policy lets no other script run")
    blocked = [event["requestId"] for event in tab.seen("Network.loadingFailed") if event.get("blockedReason") == "csp"]
    asked = [event["request"]["url"] for event in tab.seen("Network.requestWillBeSent") if event["requestId"] not in blocked]
    check(not any("example.invalid" in url for url in asked), f"the policy lets nothing be asked for over a network: {asked}")
    tab.close()


def main() -> None:
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    pages = sorted(folder.glob("*.html"))
    check(len(pages) >= 5, "there are pages")
    with Chromium(binary) as browser:
        for page in pages:
            opens_well(browser, page)
            marks_stand_on_their_scales(browser, page)
        rows_are_found(browser, folder / "small.html")
        a_row_opens(browser, folder / "small.html")
        a_cell_lists_its_rows(browser, folder / "small.html")
        tables_sort_and_copy(browser, folder / "small.html")
        parts_choose_rows(browser)
        a_hundred_thousand_rows(browser, folder)
        one_look(browser, folder)
        hostile_text_is_text(browser, folder / "hostile.html")
    print(f"{len(pages)} pages, {checks} checks, {len(faults)} faults")
    sys.exit(1 if faults else 0)


main()
