"""Opens the pages of a folder in Chromium and looks whether they keep what the report promises."""

import os
import pathlib
import sys

from chromium import Chromium, Tab

WIDE, MIDDLE, NARROW = 1280, 820, 390
VISIBLE = "[...document.querySelectorAll('#listed tbody tr')].filter(row => row.checkVisibility())"

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


def quiet(tab: Tab, where: str) -> None:
    """Nothing was complained of, and nothing was asked for over a network."""
    for event in tab.seen("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
        check(False, f"{where}: the console says {event}")
    for event in tab.seen("Network.requestWillBeSent"):
        url = event["request"]["url"]
        check(url.split("#")[0] == tab.url or url.startswith("data:"), f"{where}: it asks for {url}")


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
            quiet(tab, where)
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


def filters(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE)
    rows = lambda: tab.value(f"{VISIBLE}.length")
    listed = tab.value("document.querySelectorAll('#listed tbody tr').length")
    check(listed > 20 and rows() == listed, "all rows are seen at first")

    tab.value("document.getElementById('search').focus()")
    tab.type("refund")
    tab.type(" CARD")
    fitting = tab.value(f"{VISIBLE}.every(row => /refund/i.test(row.textContent) && /card/i.test(row.textContent))")
    check(0 < rows() < listed and fitting, "typing narrows the rows to those that hold all words")
    check(tab.value("document.getElementById('shown').value").startswith(f"{rows()} of {listed}"), "the number of rows is said")
    tab.type(" nothing holds this")
    check(rows() == 0 and tab.value("document.getElementById('nothing').checkVisibility()"), "no row is said to be none")
    tab.press("Escape", 27)
    check(rows() == listed, "escape shows all rows again")

    tab.press("Tab", 9)
    tab.press("Tab", 9)
    check(tab.value("document.activeElement.dataset.kind") == "worse", "the tab key reaches the chips")
    check(tab.value("getComputedStyle(document.activeElement).outlineStyle") != "none", "what has the focus is seen to have it")
    tab.press(" ", 32)
    worse = rows()
    check(0 < worse < listed and tab.value(f"{VISIBLE}.every(row => row.dataset.kind === 'worse')"), "a chip narrows the rows to its kind")
    check(tab.value("document.activeElement.getAttribute('aria-pressed')") == "true", "a chip says that it is pressed")
    tab.press("Tab", 9)
    tab.press("Enter", 13)
    check(tab.value(f"{VISIBLE}.every(row => row.dataset.kind === 'better')"), "one kind at a time")
    tab.value("document.querySelector('.chips button').click()")
    check(rows() == listed, "the first chip shows all rows")
    tab.value("document.getElementById('search').focus()")
    tab.press("Enter", 13)
    check(tab.value("location.href") == tab.url, "the enter key sends nothing")
    quiet(tab, "the filter")
    tab.close()

    still = browser.open(page.as_uri(), NARROW, scripts=False)
    seen = still.value("document.getElementById('filter').checkVisibility()")
    check(not seen and still.value(f"{VISIBLE}.length") == listed, "without scripts all rows are seen, and no filter")
    still.close()


def hostile_text_is_text(browser: Chromium, page: pathlib.Path) -> None:
    tab = browser.open(page.as_uri(), WIDE)
    check("broken" not in tab.value("document.title"), "no text has run")
    check(tab.value("document.scripts.length") == 1, "no text has become a script")
    check(tab.value("document.querySelectorAll('img, iframe, object, embed, svg [onload]').length") == 0, "no text has become an element")
    text = tab.value("document.getElementById('listed').textContent")
    for wanted in ("<script>document.title = 'broken'</script>", 'onerror="document.title=\'broken\'">', "]]> --> <!-- <![CDATA[", "&lt;b&gt;"):
        check(wanted in text, f"{wanted} shows as text")
    for mark in "\u202e\u202c\u2066\u2069\u200f\0\x1b":
        name = f"U+{ord(mark):04X}"
        check(mark not in text and name in text, f"{name} is shown, not obeyed")
    isolated = tab.value("[...document.querySelectorAll('#listed bdi')].every(part => getComputedStyle(part).unicodeBidi === 'isolate')")
    check(isolated, "no text turns the order of what is around it")
    quiet(tab, "hostile text")
    # Even what broke out could not run.
    tab.value("{ const script = document.createElement('script'); script.textContent = 'document.title = \"ran\"'; document.body.append(script); }")
    check(tab.value("document.title") != "ran", "the policy lets no other script run")
    tab.close()


def main() -> None:
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    pages = sorted(folder.glob("*.html"))
    check(len(pages) >= 5, "there are pages")
    with Chromium(binary) as browser:
        for page in pages:
            opens_well(browser, page)
            marks_stand_on_their_scales(browser, page)
        filters(browser, folder / "small.html")
        hostile_text_is_text(browser, folder / "hostile.html")
    print(f"{len(pages)} pages, {checks} checks, {len(faults)} faults")
    sys.exit(1 if faults else 0)


main()
