//! What the models make of parts of the rows.

use super::super::amounts::counted;
use super::super::{UNDEFINED, or_undefined, percent, units};
use super::markup::{Markup, name};
use super::words::share_interval;
use crate::{Figures, Metric, SliceFigures, SliceModel, SliceVerdict};

/// A table for each property; empty where rows are not parted.
pub(super) fn section(figures: &Figures) -> Markup {
    let mut html = Markup::default();
    if figures.slices.is_empty() {
        return html;
    }
    html.add(
        "<p>Accuracy on parts of the rows, with its 95 % interval. A part is called worse or better only where that is proven with all parts taken together (Holm).</p>",
        &[],
    );
    let metric = figures.comparisons.first().map(|comparison| comparison.metric.clone()).unwrap_or_default();
    html.each(figures.slices.chunk_by(|a, b| a.property == b.property), |html, slices| {
        html.add(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"num\">Rows</th>",
            &[&slices[0].property, &slices[0].property],
        );
        html.each(&slices[0].models, |html, model| {
            html.add("<th scope=\"col\" class=\"num\">{}</th>", &[&name(&model.model)]);
        });
        html.add("</tr></thead><tbody>", &[]);
        html.each(slices, |html, slice| row(html, &metric, slice));
        html.add("</tbody></table></div>", &[]);
    });
    html
}

fn row(html: &mut Markup, metric: &Metric, slice: &SliceFigures) {
    html.add(
        "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td>",
        &[&slice.value, &counted(slice.rows, "row", "rows")],
    );
    html.each(&slice.models, |html, model: &SliceModel| {
        html.add("<td class=\"num\">{}", &[&or_undefined(model.accuracy, percent)]);
        let interval = model.accuracy_interval.map_or_else(|| UNDEFINED.to_owned(), share_interval);
        html.add("<small>{}</small>", &[&interval]);
        let proven = slice.comparisons.iter().filter(|one| one.tuned == model.model);
        html.each(proven.filter(|one| one.verdict != SliceVerdict::NotProven), |html, one| {
            let (class, word) =
                if one.verdict == SliceVerdict::Worse { ("bad", "worse") } else { ("good", "better") };
            let change = units::change(metric, one.difference);
            html.add(
                "<small class=\"{}\">{} than {}, {}</small>",
                &[&class, &word, &name(&one.base), &change],
            );
        });
        html.add("</td>", &[]);
    });
    html.add("</tr>", &[]);
}
