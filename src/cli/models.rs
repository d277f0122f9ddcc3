//! `tunebench models`.

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_providers::catalog::{Catalog, KnownModel};

use super::output::Printer;
use super::providers::plain;
use crate::error::Error;
use crate::exit;

/// After so many days, an entry that nobody confirmed is old.
const OLD: i32 = 90;

/// Which models to list.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(super) command: Option<ModelsCommand>,

    /// Those that retire on this day or before; with no other filter, retired ones are left out
    #[arg(long, value_name = "DAY")]
    retiring: Option<Date>,

    /// Those of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,

    /// Those that can be fine-tuned
    #[arg(long)]
    tunable: bool,

    /// Those that nobody has confirmed for ninety days, and hosts by name of which that holds
    #[arg(long)]
    unconfirmed: bool,

    /// Print JSON, with all that is known
    #[arg(long)]
    json: bool,
}

/// What else can be done with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Fetch an encoder of the Hugging Face hub, to be tuned on this machine
    ///
    /// It goes into the cache that other tools of the hub share, is checked against the hub's SHA-256, and is asked as
    /// local/encoder:ORG/NAME. An interrupted download is resumed. Obeys HF_HOME, HF_HUB_CACHE, HF_TOKEN,
    /// HF_ENDPOINT and HF_HUB_OFFLINE, in the environment or in `.env`, and the variables for proxies. Nothing is fetched
    /// but by this command.
    Pull {
        /// The encoder, as ORG/NAME or ORG/NAME@REVISION; without it, some that are worth a try are listed
        name: Option<String>,
    },
}

impl ModelsArgs {
    fn takes(&self, model: &KnownModel, today: Date) -> bool {
        let by_day = match self.retiring {
            Some(day) => model.is_retired(day),
            None => self.unconfirmed || !model.is_retired(today),
        };
        by_day
            && self.provider.as_ref().is_none_or(|name| *name == model.host)
            && (!self.tunable || model.tunable && model.tunable_until.is_none_or(|day| today < day))
            && (!self.unconfirmed || model.is_stale(today, OLD))
    }
}

/// Lists what is known of models.
pub(super) fn models(
    args: &ModelsArgs,
    catalog: &Catalog,
    today: Date,
    printer: Printer,
) -> Result<u8, Error> {
    if let Some(name) = &args.provider
        && !catalog.iter().any(|model| model.host == *name)
    {
        let mut hosts: Vec<_> = catalog.iter().map(|model| model.host.as_str()).collect();
        hosts.dedup();
        let hint = Some(format!("the known models are of {}", hosts.join(", ")));
        return Err(Error::Model { message: format!("no model of `{name}` is known"), hint });
    }
    let mut chosen: Vec<_> = catalog.iter().filter(|model| args.takes(model, today)).collect();
    if args.retiring.is_some() {
        chosen.sort_by_key(|model| model.retires);
    }
    if args.json {
        printer.data(&format!("{:#}", chosen.into_iter().map(as_json).collect::<Value>()))?;
        return Ok(exit::DONE);
    }
    #[cfg(feature = "openai")]
    if args.unconfirmed {
        let since = today.saturating_sub(jiff::Span::new().days(OLD));
        let hosts: Vec<_> = tunebench_providers::openai::unconfirmed_hosts(since).collect();
        if !hosts.is_empty() {
            printer.note(&format!("built-in hosts whose entry is unconfirmed: {}", hosts.join(", ")));
        }
    }
    if chosen.is_empty() {
        printer.note("no known model matches");
        return Ok(exit::DONE);
    }
    let mut table = Builder::default();
    table.push_record(["MODEL", "$ IN", "OUT", "RETIRES", "INSTEAD", "CONFIRMED"]);
    for model in chosen {
        let price = |price: Option<f64>| price.map_or_else(|| "-".to_owned(), |price| price.to_string());
        let doubt = if model.one_source { "?" } else { "" };
        let retires = match (model.retires, model.not_before) {
            (Some(day), _) => format!("{day}{doubt}"),
            (None, Some(day)) => format!("not before {day}{doubt}"),
            (None, None) => String::new(),
        };
        table.push_record([
            format!("{}/{}", model.host, model.id),
            price(model.prices.input),
            price(model.prices.output),
            retires,
            model.replacement.clone().unwrap_or_default(),
            model.checked.map_or_else(String::new, |day| day.to_string()),
        ]);
    }
    printer.data(&plain(table))?;
    printer.note(
        "prices are dollars for a million tokens; a day with `?` is of one third party, or sources differ",
    );
    Ok(exit::DONE)
}

fn as_json(model: &KnownModel) -> Value {
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    json!({
        "model": format!("{}/{}", model.host, model.id),
        "aliases": model.aliases,
        "usd_per_million": {
            "input": model.prices.input,
            "cached_input": model.prices.cached_input,
            "cache_write": model.prices.input.zip(model.prices.cache_write).map(|(input, factor)| input * factor),
            "output": model.prices.output,
            "training": model.prices.training,
        },
        "batch_factor": model.prices.batch,
        "price_changes": model.later.map(|(day, _)| day.to_string()),
        "retires": day(model.retires),
        "not_before": day(model.not_before),
        "one_source": model.one_source,
        "replacement": model.replacement,
        "tunable": model.tunable,
        "tunable_until": day(model.tunable_until),
        "note": model.note,
        "source": model.source,
        "confirmed": day(model.checked),
    })
}
