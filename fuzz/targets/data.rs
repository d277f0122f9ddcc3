//! Data files, templates and answers.

use std::io::{Cursor, Write};

use tunebench_data::{
    AnswerForm, Format, LabelSet, Message, MessageTemplates, Prompt, PromptTemplate, Role, Source,
    TableSource, sniff,
};

use super::{Target, files, seeds, told};

/// Tables in all text formats, packed ones too: the first byte says which, and how.
pub(super) const TABLE: Target = Target {
    name: "table",
    start: || Box::new(table),
    seeds: || {
        let mut all = seeds("table", &["data/samples/SOURCES.md"]);
        let packed: Vec<_> = all.iter().map(|bytes| gzip(bytes)).collect();
        all.extend(packed);
        all
    },
    words: &[
        "text,label\n",
        "sep=;\n",
        "\"text\"",
        "\"label\"",
        "\"messages\"",
        "\"role\"",
        "\"content\"",
        "\"answer\":\"reject\"",
        "__label__x ",
    ],
};

fn table(bytes: &[u8]) -> String {
    let (mode, bytes) = bytes.split_first().map_or((b'0', bytes), |(mode, rest)| (*mode, rest));
    let mut source = TableSource::new("fuzz");
    let formats = [
        None,
        Some(Format::Csv),
        Some(Format::Tsv),
        Some(Format::Jsonl),
        Some(Format::Json),
        Some(Format::FastText),
        Some(Format::Lines),
    ];
    source.format = formats[usize::from(mode) % formats.len()];
    source.quotes = mode & 8 == 0;
    source.header = mode & 16 == 0;
    source.encoding =
        (mode & 32 != 0).then(|| ["shift_jis", "utf-16le", "windows-1252"][usize::from(mode) % 3].to_owned());
    source.wanted = vec!["text".to_owned()];
    told(source.read(Box::new(Cursor::new(bytes.to_vec()))), |mut table| {
        let column = table.column("text");
        let mut faults = String::new();
        for _ in 0..20_000 {
            match table.next_row() {
                Ok(Some(Ok(row))) => {
                    if let Ok(column) = &column {
                        let _ = row.text(column);
                    }
                }
                Ok(Some(Err(fault))) if faults.len() < 400 => faults.push_str(&fault.reason.to_string()),
                Ok(Some(Err(_))) => {}
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
        }
        format!("{:?} {} {faults}", table.format(), column.is_ok())
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![b'0'];
    let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
    encoder
        .write_all(bytes.get(1..).unwrap_or_default())
        .and_then(|()| encoder.try_finish())
        .expect("it goes to memory");
    drop(encoder);
    packed
}

/// Files of which nothing is known: columns are guessed, then rows and labels are read.
pub(super) const SNIFF: Target = Target {
    name: "sniff",
    start: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        Box::new(move |bytes| {
            let (mode, bytes) = bytes.split_first().map_or((0, bytes), |(mode, rest)| (*mode, rest));
            let name = ["data.csv", "data.jsonl", "data", "data.csv.gz", "data.xlsx", "data.parquet"]
                [usize::from(mode) % 6];
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("a temporary file can be written");
            let loaded = told(Source::new(&path).load(None), |data| format!("{} labels", data.labels.len()));
            let sniffed = told(sniff(&path, None, None), |_| "sniffed".to_owned());
            format!("{sniffed}; {loaded}").replace(&folder.path().display().to_string(), "")
        })
    },
    seeds: || {
        let forms = |at: u8, paths: &[&str]| {
            files(paths).iter().map(|bytes| [&[at], bytes.as_slice()].concat()).collect::<Vec<_>>()
        };
        let parquet = ["data/testdata/forms/classes.parquet", "data/testdata/forms/zstd.parquet"];
        let excel = ["data/testdata/forms/sheet.xlsx"];
        [seeds("table", &[]), forms(4, &excel), forms(5, &parquet)].concat()
    },
    words: TABLE.words,
};

fn labels() -> LabelSet {
    LabelSet::new(["card arrival", "card_arrival_late", "refund", "rate"].map(str::to_owned).to_vec())
        .expect("they are plain")
}

/// What a model said, to prompts of every form.
pub(super) const ANSWER: Target = Target {
    name: "answer",
    start: || {
        let default =
            |form| Prompt::with_form(PromptTemplate::default(), labels(), form).expect("it is the default");
        let messages = vec![Message { role: Role::User, content: "{{ text }}".to_owned() }];
        let pattern = AnswerForm::Pattern("ANSWER=([^;]*)".to_owned());
        let own =
            Prompt::of_messages(MessageTemplates::new(messages, pattern), labels()).expect("it is plain");
        let prompts =
            [default(AnswerForm::Tag), default(AnswerForm::Schema), default(AnswerForm::Plain), own];
        Box::new(move |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let read = |prompt: &Prompt| {
                (prompt.parse(&text), prompt.is_closed(&text), prompt.ends_in_reasoning(&text))
            };
            format!("{:?}", prompts.each_ref().map(read))
        })
    },
    seeds: || seeds("answer", &[]),
    words: &[
        "card arrival",
        "refund",
        "<output>",
        "</output>",
        "{\"label\": \"refund\"}",
        "**",
        "Label: ",
        "ANSWER=",
        "<think>",
        "</think>",
        "```json\n",
    ],
};

/// Messages of a user's own, and a text in them.
pub(super) const TEMPLATE: Target = Target {
    name: "template",
    start: || {
        Box::new(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (template, item) = text.split_once('\u{1}').unwrap_or((&text, "where is <item> my card?"));
            // A loop within a loop over a text of any length is the user's own affair.
            let template: String = template.chars().take(2_000).collect();
            let messages = vec![Message { role: Role::User, content: template }];
            told(
                Prompt::of_messages(MessageTemplates::new(messages, AnswerForm::Plain), labels()),
                |prompt| {
                    let checked = told(prompt.check(item), |()| "fits".to_owned());
                    format!("{} {checked} {}", prompt.may_fail(), prompt.render(item).len())
                },
            )
        })
    },
    seeds: || seeds("template", &[]),
    words: &[
        "{{ text }}",
        "{{",
        "}}",
        "{%",
        "%}",
        "{% for label in labels %}",
        "{% endfor %}",
        "{% if text %}",
        "| join(', ')",
        "| tojson",
        "| length",
        "loop.index",
        "item.",
        "labels[0]",
        "\u{1}",
    ],
};
