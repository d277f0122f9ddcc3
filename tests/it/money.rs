//! A cent has one number: what the service counted is what the budget settles, the manifest keeps and the reports show.

use serde_json::Value;
use tunebench_fakes::openai::{Failing, FakeOpenAi, Fault, Question, Said};

use crate::openai::{BASE, KEY, Project};

/// What a million tokens cost, sent and answered.
const PRICE: (f64, f64) = (3.0, 7.0);

fn project(say: impl Fn(&Question) -> Said + Send + Sync + 'static) -> Project {
    let (input, output) = PRICE;
    let prices = format!("[prices.\"openai/*\"]\ninput = {input}\noutput = {output}\n{BASE}");
    Project::at(FakeOpenAi::builder().key(KEY).brain(say).start().unwrap(), &prices)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What the service counted, in dollars.
fn billed(project: &Project) -> f64 {
    let stats = project.fake.stats();
    (stats.input_tokens as f64 * PRICE.0 + stats.output_tokens as f64 * PRICE.1) / 1e6
}

/// What each place says that the answers cost: manifest, rows, figures for programs, table.
fn told(project: &Project) -> Vec<f64> {
    let manifest = json(&project.place.read("results/manifest.json"));
    let report = json(&project.place.read("results/summary.json"));
    let summary = project.place.csv("results/summary.csv").remove(0);
    let rows = project.place.csv(&format!("results/predictions/{}.csv", summary["file"]));
    vec![
        manifest["models"][0]["usage"]["cost_usd"].as_f64().unwrap(),
        rows.iter().map(|row| row["cost_usd"].parse().unwrap_or(0.0)).sum(),
        report["models"][0]["usage"]["cost_usd"].as_f64().unwrap(),
        summary["cost_usd"].parse().unwrap(),
    ]
}

fn paid(project: &Project) -> f64 {
    json(&project.place.read("results/manifest.json"))["models"][0]["paid_usd"].as_f64().unwrap()
}

fn assert_same(figures: &[f64], expected: f64) {
    assert!(
        expected > 0.0 && figures.iter().all(|figure| (figure - expected).abs() < 1e-9),
        "{figures:?} {expected}"
    );
}

#[test]
fn first_calls_that_were_cut_off_belong_to_the_cost() {
    // The fake stops at our stop sequence, which the model writes while it reasons.
    let project =
        project(|_| Said::from("<think>It goes inside <output></output>.</think>\n\ncard".to_owned()));
    let done = project.tunebench(&["eval"]);
    assert!(done.code == Some(0) && project.asked() > 6, "{}", done.stderr);
    assert_same(&told(&project), billed(&project));
    assert_same(&[paid(&project)], billed(&project));

    // From the ledger, they cost nothing more, and have cost the same.
    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    assert_same(&told(&project), billed(&project));
    assert_eq!(paid(&project), 0.0);
}

#[test]
fn refused_requests_cost_nothing_and_the_cap_goes_by_what_was_settled() {
    let project = project(|_| Said::from("<output>card</output>".to_owned()));
    project.fake.fail(Failing::new(Fault::Status(500)).on("/chat/completions").times(2));
    let done = project.tunebench(&["eval", "--max-cost", "1"]);
    assert_eq!((done.code, project.asked()), (Some(0), 8), "{}", done.stderr);
    assert_same(&told(&project), billed(&project));
    assert_same(&[paid(&project)], billed(&project));
    assert!(done.stderr.contains(&format!("${:.4}", billed(&project))[..6]), "{}", done.stderr);
}

#[test]
fn what_was_settled_lies_within_the_range_of_the_plan() {
    for models in
        [BASE.to_owned(), format!("{}tuned = \"gpt-4.1-mini-2025-04-14\"\nshots = {{ k = 2 }}\n", BASE)]
    {
        let (input, output) = PRICE;
        let models = format!("[prices.\"openai/*\"]\ninput = {input}\noutput = {output}\n{models}");
        let project = Project::new(&models);
        let plan = json(&project.tunebench(&["plan", "--json"]).stdout);
        let of = |bound: &str| plan["total"]["cost_usd"][bound].as_f64().unwrap();
        let done = project.tunebench(&["eval"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let settled = billed(&project);
        assert!(of("low") <= settled && settled <= of("high"), "{plan:#} {settled}");
        assert!(of("low") > 0.0 && of("expected") <= of("high"), "{plan:#}");
    }
}
