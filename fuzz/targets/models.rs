//! Files of the embedded models, which may come from anywhere.

use std::ops::ControlFlow;

use tunebench_data::{LabelId, LabelSet};
use tunebench_fakes::write_encoder;
use tunebench_providers::local::{Classifier, Encoder, Hyperparameters, Scratch};

use super::{Target, seeds, told};

/// A trained classifier.
pub(super) const CLASSIFIER: Target = Target {
    name: "classifier",
    start: || {
        Box::new(|bytes| {
            told(Classifier::load(&mut &*bytes), |classifier| {
                let sum: f32 = classifier.predict("where is my card", &mut Scratch::default()).iter().sum();
                format!("{} {}", classifier.labels().len(), (sum - 1.0).abs() < 0.01)
            })
        })
    },
    seeds: || {
        let texts = ["where is my card", "what is the rate", "card not here", "rate of euros"];
        let labels = [0, 1, 0, 1].map(LabelId);
        let set = LabelSet::new(["card", "rate"].map(str::to_owned).to_vec()).expect("they are plain");
        let mut bytes = Vec::new();
        let trained = Classifier::train(&texts, &labels, &set, &Hyperparameters::default(), &mut |_| {
            ControlFlow::Continue(())
        });
        trained.expect("there is enough to learn").save(&mut bytes).expect("it goes to memory");
        [seeds("classifier", &[]), vec![bytes]].concat()
    },
    words: &[],
};

/// The files of an encoder; the first byte says which of them the rest is.
pub(super) const ENCODER: Target = Target {
    name: "encoder",
    start: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        Box::new(move |bytes| {
            write_encoder(folder.path(), &WORDS, 1).expect("a temporary file can be written");
            let (file, bytes) = bytes.split_first().map_or((0, bytes), |(file, rest)| (*file, rest));
            let path = folder.path().join(FILES[usize::from(file) % FILES.len()]);
            std::fs::write(&path, bytes).expect("a temporary file can be written");
            let outcome = told(Encoder::read(folder.path()), |encoder| {
                let vectors = encoder.embed(&["where is my card", ""]);
                assert_eq!(vectors.len(), 2 * encoder.width());
                "read".to_owned()
            });
            let _ = std::fs::remove_file(&path);
            outcome.replace(&folder.path().display().to_string(), "")
        })
    },
    seeds: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        write_encoder(folder.path(), &WORDS, 1).expect("a temporary file can be written");
        let with_number = |(number, name): (usize, &&str)| {
            let mut bytes = std::fs::read(folder.path().join(name)).ok()?;
            bytes.insert(0, number as u8);
            Some(bytes)
        };
        let written = FILES.iter().enumerate().filter_map(with_number);
        seeds("encoder", &[]).into_iter().chain(written).collect()
    },
    words: &[
        "\"hidden_size\"",
        "\"num_attention_heads\"",
        "\"data_offsets\"",
        "\"F16\"",
        "\"BF16\"",
        "\"F32\"",
        "[UNK]",
        "[CLS]",
        "##s",
        "\"model\"",
        "\"vocab\"",
    ],
};

const WORDS: [&str; 8] = ["where", "is", "my", "card", "rate", "##s", "a", "the"];
const FILES: [&str; 5] =
    ["config.json", "vocab.txt", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
