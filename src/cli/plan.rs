//! `tunebench plan`, and the short form of it before a run.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_reports::POWER;

use super::args::{DataArgs, SpendingArgs};
use super::doctor::count;
use super::output::Printer;
use super::plan_prompt::prompts;
use super::progress::seconds;
use super::providers::plain;
use super::words::{entry, grouped};
use crate::budget::{Caps, Cost, Price, Rate};
use crate::error::Error;
use crate::exit;
use crate::plan::{Basis, BatchRoad, Bill, Bound, Plan, Range, Requests, Step, Time, Work, supposed};
use crate::tune::TuningState;

/// The version of what `--json` prints; a change that breaks readers raises it.
const FORMAT_VERSION: u32 = 1;
/// Where the texts of the notes begin.
const COLUMN: usize = 9;

/// What `plan` is told.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,

    #[command(flatten)]
    pub(super) spending: SpendingArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows what a run would do and cost.
pub(super) fn plan(plan: &Plan, args: &PlanArgs, printer: Printer) -> Result<u8, Error> {
    let caps = args.spending.spending().caps;
    if args.json {
        printer.data(&format!("{:#}", as_json(plan)))?;
    } else {
        printer.data(&as_text(plan, &caps))?;
    }
    Ok(exit::DONE)
}

/// The short form: what is sent, what it costs, what will soon be gone.
pub(super) fn brief(plan: &Plan, caps: &Caps) -> Vec<String> {
    let sent = [(plan.requests(), "request"), (plan.jobs() as u64, "fine-tuning job")];
    let sent = sent.into_iter().filter(|(n, _)| *n > 0);
    let sent: Vec<_> =
        sent.map(|(n, what)| format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })).collect();
    let bill = plan.bill();
    let mut lines = vec![match (sent.is_empty(), bill.is_free()) {
        (true, _) => "plan: nothing has to be paid for".to_owned(),
        (false, true) => format!("plan: {}, at no cost", sent.join(" and ")),
        (false, false) => {
            let most = if bill.cost.high > bill.cost.expected {
                format!(", at most {}", bill.cost.high)
            } else {
                String::new()
            };
            let day = plan.prices_of().map_or_else(String::new, |day| format!(" (prices of {day})"));
            format!("plan: {}: {}{most}{day}", sent.join(" and "), sum_of(&bill))
        }
    }];
    lines.extend(plan.steps.iter().filter_map(deployed).map(|note| format!("plan: {note}")));
    lines.extend(cap_note(&bill, caps).map(|note| format!("plan: {note}")));
    if !bill.is_free() {
        lines.extend(retiring(plan).map(|(model, day)| format!("plan: {model} is shut down on {day}")));
    }
    lines
}

/// `about $1.24`, with what is not known said not to be.
pub(super) fn sum_of(bill: &Bill) -> String {
    match (bill.cost.high == Cost::ZERO, bill.unpriced) {
        (_, 0) => format!("about {}", bill.cost.expected),
        (true, _) => "money, at prices that are not known".to_owned(),
        (false, _) => format!("about {}, and more at prices that are not known", bill.cost.expected),
    }
}

fn cap_note(bill: &Bill, caps: &Caps) -> Option<String> {
    let cap = caps.max_cost?;
    let meets = |cost: Cost| cost > cap;
    match (meets(bill.cost.expected), meets(bill.cost.high)) {
        (true, _) => Some(format!("the cap of {cap} will be reached, and the run end as incomplete")),
        (false, true) => Some(format!("the cap of {cap} may be reached, and the run end as incomplete")),
        (false, false) => None,
    }
}

/// The models that are to be asked or tuned, and will be gone some day; each once.
fn retiring(plan: &Plan) -> impl Iterator<Item = (String, &str)> {
    let days: BTreeMap<_, _> = plan
        .steps
        .iter()
        .filter_map(|step| Some((step.model.to_string(), step.retires.as_deref()?)))
        .collect();
    days.into_iter()
}

fn as_text(plan: &Plan, caps: &Caps) -> String {
    let mut table = Builder::new();
    table.push_record(["", "REQUESTS", "CACHED", "TOKENS IN", "OUT", "COST", "AT MOST", "TIME"]);
    for step in &plan.steps {
        table.push_record(cells(step));
        other_road(step).into_iter().for_each(|cells| table.push_record(cells));
    }
    table.push_record(total(plan));
    let table = plain(table);
    let mut lines = table.lines();
    let mut text: Vec<String> = lines.next().map(str::to_owned).into_iter().collect();
    let mut named = String::new();
    for step in &plan.steps {
        let name = title(step);
        if name != named {
            text.push(name.clone());
            named = name;
        }
        text.extend(lines.next().map(str::to_owned));
        text.extend(other_road(step).and_then(|_| lines.next().map(str::to_owned)));
    }
    text.extend(lines.map(str::to_owned));
    text.push(String::new());
    for prompt in prompts(plan) {
        text.extend([prompt, String::new()]);
    }
    text.extend(prices(plan));
    text.extend(notes(plan, caps).into_iter().map(|(label, note)| entry(0, COLUMN, label, &note)));
    text.join("\n")
}

/// The model under whose name a step stands.
fn title(step: &Step) -> String {
    match &step.work {
        Work::Evaluate(requests) if !requests.to_be_tuned => step.name.clone(),
        _ => step.model.to_string(),
    }
}

fn cells(step: &Step) -> [String; 8] {
    let nothing = String::new;
    let cost = |pick: fn(Range<Cost>) -> Cost| {
        step.cost.map_or_else(|| "unknown".to_owned(), |cost| pick(cost).to_string())
    };
    let (expected, most) = (cost(|cost| cost.expected), cost(|cost| cost.high));
    match &step.work {
        Work::Evaluate(requests) => {
            let in_batch = step.batch.filter(|road| road.chosen);
            let what = match (requests.to_be_tuned, in_batch.is_some()) {
                (true, false) => "  ask, tuned",
                (false, false) => "  ask",
                (true, true) => "  ask in a batch, tuned",
                (false, true) => "  ask in a batch",
            };
            if step.in_process {
                return [
                    what.into(),
                    "local".into(),
                    nothing(),
                    nothing(),
                    nothing(),
                    expected,
                    most,
                    nothing(),
                ];
            }
            [
                what.into(),
                grouped(requests.requests),
                grouped(requests.cached),
                grouped(requests.input.expected),
                grouped(requests.output.expected),
                expected,
                most,
                in_batch.map_or_else(|| live_time(requests), |road| within(&road)),
            ]
        }
        Work::Train { training, standing, .. } => {
            let (sent, tokens) = match standing {
                _ if step.in_process => ("local".to_owned(), nothing()),
                TuningState::New => ("1 job".to_owned(), grouped(training.billed().expected)),
                TuningState::UnderWay(_) => ("running".to_owned(), nothing()),
                TuningState::Done(_) => ("done".to_owned(), nothing()),
            };
            let what = match standing {
                TuningState::New if !step.in_process => format!("  train, {} ep.", training.epochs.number()),
                _ => "  train".to_owned(),
            };
            [what, sent, nothing(), tokens, nothing(), expected, most, nothing()]
        }
    }
}

/// The road that is not taken: live where batches are chosen, and the other way round.
fn other_road(step: &Step) -> Option<[String; 8]> {
    let (Some(road), Work::Evaluate(requests)) = (&step.batch, &step.work) else { return None };
    if requests.requests == 0 || !road.chosen && road.cost.is_none() {
        return None;
    }
    let (what, cost, time) = match road.chosen {
        true => ("  or live", road.live_cost, live_time(requests)),
        false => ("  or in a batch", road.cost, within(road)),
    };
    let cost =
        |pick: fn(Range<Cost>) -> Cost| cost.map_or_else(|| "unknown".into(), |cost| pick(cost).to_string());
    let nothing = String::new;
    let (expected, most) = (cost(|cost| cost.expected), cost(|cost| cost.high));
    Some([what.to_owned(), nothing(), nothing(), nothing(), nothing(), expected, most, time])
}

fn live_time(requests: &Requests) -> String {
    requests.time.map_or_else(String::new, |time| seconds(time.takes))
}

fn within(road: &BatchRoad) -> String {
    format!("within {} h", road.window.as_secs().div_ceil(3_600))
}

fn total(plan: &Plan) -> [String; 8] {
    let sum = |of: fn(&Requests) -> u64| grouped(plan.evaluations().map(of).sum());
    let trained = plan.steps.iter().filter(|step| step.sends()).filter_map(|step| match &step.work {
        Work::Train { training, .. } => Some(training.billed().expected),
        Work::Evaluate(_) => None,
    });
    let input = plan.evaluations().map(|requests| requests.input.expected).chain(trained).sum();
    let bill = plan.bill();
    let cost = |cost: Cost| match (bill.unpriced, cost == Cost::ZERO) {
        (0, _) => cost.to_string(),
        (_, true) => "unknown".to_owned(),
        (_, false) => format!("{cost}+?"),
    };
    let live = plan.steps.iter().filter(|step| !step.batch.is_some_and(|road| road.chosen));
    let times = live.filter_map(|step| match &step.work {
        Work::Evaluate(requests) if !step.in_process => requests.time.map(|time| time.takes),
        _ => None,
    });
    let time: std::time::Duration = times.sum();
    let chosen = plan.steps.iter().filter_map(|step| step.batch.filter(|road| road.chosen && step.sends()));
    let longest = chosen.max_by_key(|road| road.window).map(|road| within(&road));
    [
        "all".to_owned(),
        grouped(plan.requests()),
        sum(|requests| requests.cached),
        grouped(input),
        sum(|requests| requests.output.expected),
        cost(bill.cost.expected),
        cost(bill.cost.high),
        longest.unwrap_or_else(|| if time.is_zero() { String::new() } else { seconds(time) }),
    ]
}

/// The prices in use, each once.
fn prices(plan: &Plan) -> Vec<String> {
    let used: BTreeMap<_, _> = plan
        .steps
        .iter()
        .filter(|step| step.sends() && step.deployment.is_none())
        .filter_map(|step| Some((step.price_key.as_str(), step.price.as_ref()?)))
        .collect();
    if used.is_empty() {
        return Vec::new();
    }
    let mut table = Builder::new();
    table.push_record(["$ FOR A MILLION TOKENS", "IN", "OUT", "TRAINING", "LOOKED UP"]);
    for (key, price) in used {
        let rate =
            |rate: Option<Rate>| dollars(rate).map_or_else(|| "unknown".into(), |rate| rate.to_string());
        let day = price.date.map_or_else(|| "by you".to_owned(), |day| day.to_string());
        table.push_record([key.to_owned(), rate(price.input), rate(price.output), rate(price.training), day]);
    }
    vec![plain(table), String::new()]
}

/// Dollars for a million tokens.
fn dollars(rate: Option<Rate>) -> Option<f64> {
    rate.map(|rate| rate.of(1_000_000).dollars())
}

fn notes(plan: &Plan, caps: &Caps) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    let paid: Vec<_> = plan.steps.iter().filter(|step| step.sends()).collect();
    for step in paid.iter().filter(|step| step.cost.is_none()) {
        let what = match (&step.work, &step.deployment) {
            (Work::Train { .. }, _) => "training",
            (_, Some(_)) => "an hour of the machine",
            _ => "input and output",
        };
        let key = &step.price_key;
        let note =
            format!("not known for {what} of {key}; give it in tunebench.toml, under [prices.\"{key}\"]");
        notes.push(("price", note));
    }
    notes.extend(paid.iter().filter_map(|step| Some(("deploy", deployed(step)?))));
    let bases = [Basis::Vocabulary, Basis::Answers, Basis::Length];
    let used = bases.into_iter().filter(|basis| paid.iter().any(|step| basis_of(step) == *basis));
    for basis in used.collect::<Vec<_>>() {
        notes.push(("tokens", basis_in_words(basis).to_owned()));
    }
    for step in &paid {
        if let Work::Train { training, .. } = &step.work
            && supposed(training.epochs)
        {
            let (n, model) = (training.epochs.number(), &step.model);
            notes.push(("epochs", format!("{n} are supposed for {model}; the provider decides")));
        }
    }
    let bounds: BTreeMap<_, _> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.work {
            Work::Evaluate(Requests { time: Some(time), .. }) => Some((step.model.to_string(), bound(time))),
            _ => None,
        })
        .collect();
    notes.extend(bounds.into_iter().map(|(model, bound)| ("time", format!("{model}: {bound}"))));
    if paid.iter().any(|step| matches!(&step.work, Work::Evaluate(requests) if requests.time.is_none())) {
        let unknown = "unknown where none is shown: no limit is configured, and no answer was timed yet";
        notes.push(("time", unknown.to_owned()));
    }
    notes.extend(cap_note(&plan.bill(), caps).map(|note| ("cap", note)));
    notes.extend(retiring(plan).map(|(model, day)| ("retires", format!("{model} on {day}"))));
    notes.push(("proof", proof(plan)));
    notes
}

/// What a deployment costs, and what ends it.
fn deployed(step: &Step) -> Option<String> {
    let deployment = step.deployment?;
    let price =
        deployment.per_hour.map_or_else(|| "at a price that is not known".into(), |price| price.to_string());
    let minutes = |time: std::time::Duration| time.as_secs() / 60;
    Some(format!(
        "{}: {price} for each hour in which it is deployed, for {} minutes at most; should this program be killed then, its \
         provider stops it after {} minutes without a request",
        title(step),
        minutes(deployment.longest),
        minutes(deployment.idle)
    ))
}

fn basis_of(step: &Step) -> Basis {
    match &step.work {
        Work::Evaluate(requests) => requests.basis,
        Work::Train { training, .. } => training.basis,
    }
}

fn basis_in_words(basis: Basis) -> &'static str {
    match basis {
        Basis::Vocabulary => "counted with the model's own vocabulary",
        Basis::Answers => {
            "estimated by the bytes to a token in answers that are in the ledger; at most: the fewest bytes of any"
        }
        Basis::Length => {
            "estimated by the length: 4 bytes to a token, 3 in East Asian scripts; at most: the fewest that are usual, and \
             every answer as long as its cap"
        }
    }
}

fn bound(time: &Time) -> String {
    match time.bound {
        Bound::Requests(limit) => format!("at {} requests a minute", grouped(limit)),
        Bound::Tokens(limit) => format!("at {} tokens a minute", grouped(limit)),
        Bound::Answers(n) => format!("as long as earlier answers took, with {n} in flight"),
    }
}

/// What the rows can prove.
fn proof(plan: &Plan) -> String {
    let (rows, provable) = (count(plan.rows as usize, "row"), plan.provable());
    let shares = provable.map(|provable| (provable.discordance * 100.0).round().to_string());
    let points = provable.map(|provable| provable.difference.map(|d| format!("{:.1}", d * 100.0)));
    let [Some(a), Some(b), Some(c)] = points else {
        return format!("{rows} are too few to prove any difference");
    };
    let [x, y, z] = shares;
    format!(
        "with a chance of {} %, {rows} prove a difference of accuracy from {a}, {b} or {c} points up, if {x}, {y} or \
         {z} % of the rows tell the models apart",
        POWER * 100.0
    )
}

fn as_json(plan: &Plan) -> Value {
    let bill = plan.bill();
    let differences = plan
        .provable()
        .map(|provable| json!({ "discordance": provable.discordance, "difference": provable.difference }));
    json!({
        "format_version": FORMAT_VERSION,
        "day": plan.day.to_string(),
        "rows": plan.rows,
        "steps": plan.steps.iter().map(step_as_json).collect::<Value>(),
        "total": {
            "requests": plan.requests(),
            "jobs": plan.jobs(),
            "cost_usd": cost_as_json(bill.cost),
            "unpriced_steps": bill.unpriced,
        },
        "smallest_differences": { "power": POWER, "differences": differences },
    })
}

fn step_as_json(step: &Step) -> Value {
    let mut value = json!({
        "model": step.model.to_string(),
        "name": step.name,
        "in_process": step.in_process,
        // The name of before.
        "here": step.in_process,
        "cost_usd": step.cost.map(cost_as_json),
        "price_key": step.price_key,
        "price": step.price.as_ref().map(price_as_json),
        "shut_down_on": step.retires,
        "prompt": step.prompt,
    });
    match &step.work {
        Work::Evaluate(requests) => {
            value["step"] = "evaluate".into();
            value["requests"] = if step.in_process { 0 } else { requests.requests }.into();
            value["cached"] = requests.cached.into();
            // The name of before.
            value["known"] = requests.cached.into();
            value["to_be_tuned"] = requests.to_be_tuned.into();
            if !step.in_process {
                value["input_tokens"] = tokens_as_json(requests.input);
                value["output_tokens"] = tokens_as_json(requests.output);
                value["tokens_from"] = json!(requests.basis);
                value["seconds"] = json!(requests.time.map(|time| time.takes.as_secs_f64()));
                value["deployment"] = json!(step.deployment.map(|deployment| json!({
                    "usd_per_hour": deployment.per_hour.map(Cost::dollars),
                    "max_minutes": deployment.longest.as_secs() / 60,
                    "idle_minutes": deployment.idle.as_secs() / 60,
                })));
                value["bound_by"] = json!(requests.time.as_ref().map(bound));
                value["in_batch"] = json!(step.batch.map(|road| json!({
                    "chosen": road.chosen,
                    "cost_usd": road.cost.map(cost_as_json),
                    "live_cost_usd": road.live_cost.map(cost_as_json),
                    "within_seconds": road.window.as_secs(),
                })));
            }
        }
        Work::Train { training, rows, standing } => {
            value["step"] = "train".into();
            value["rows"] = (*rows).into();
            value["job"] = match standing {
                TuningState::New => json!({ "standing": "new" }),
                TuningState::UnderWay(id) => json!({ "standing": "under_way", "id": id.0 }),
                TuningState::Done(tuned) => {
                    json!({ "standing": "done", "id": tuned.job.id.0, "model": tuned.model.to_string() })
                }
            };
            if !step.in_process {
                value["epochs"] = training.epochs.number().into();
                value["epochs_supposed"] = supposed(training.epochs).into();
                value["billed_tokens"] = tokens_as_json(training.billed());
                value["tokens_from"] = json!(training.basis);
            }
        }
    }
    value
}

fn tokens_as_json(tokens: Range<u64>) -> Value {
    json!({ "low": tokens.low, "expected": tokens.expected, "high": tokens.high })
}

fn cost_as_json(cost: Range<Cost>) -> Value {
    let Range { low, expected, high } = cost.map(Cost::dollars);
    json!({ "low": low, "expected": expected, "high": high })
}

/// Dollars for a million tokens.
fn price_as_json(price: &Price) -> Value {
    json!({
        "input": dollars(price.input),
        "output": dollars(price.output),
        "batch_input": dollars(price.batch_input),
        "batch_output": dollars(price.batch_output),
        "training": dollars(price.training),
        "hour": price.hour.map(Cost::dollars),
        "date": price.date.map(|day| day.to_string()),
        "source": price.source,
    })
}
