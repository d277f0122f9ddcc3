//! Encoders that are worth a try, from small to large.

/// An encoder of the hub.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Recommended {
    /// Its repository.
    pub name: &'static str,
    /// The licence of its weights, as its page says.
    pub license: &'static str,
    /// Millions of parameters.
    pub parameters: f32,
    /// Megabytes to fetch.
    pub megabytes: u32,
    /// What it is good for.
    pub about: &'static str,
}

/// English encoders of the BERT family. Licences and sizes are as far as known in November 2026; the page at the hub decides.
pub const RECOMMENDED: [Recommended; 5] = [
    Recommended {
        name: "sentence-transformers/paraphrase-MiniLM-L3-v2",
        license: "Apache-2.0",
        parameters: 17.4,
        megabytes: 70,
        about: "three layers, half the work of the next one",
    },
    Recommended {
        name: "sentence-transformers/all-MiniLM-L6-v2",
        license: "Apache-2.0",
        parameters: 22.7,
        megabytes: 91,
        about: "the one to begin with: six layers, and all figures of the docs are of it",
    },
    Recommended {
        name: "BAAI/bge-small-en-v1.5",
        license: "MIT",
        parameters: 33.4,
        megabytes: 133,
        about: "twelve layers, twice the work",
    },
    Recommended {
        name: "thenlper/gte-small",
        license: "MIT",
        parameters: 33.4,
        megabytes: 67,
        about: "twelve layers; its weights have 16 bits, which halves what is fetched",
    },
    Recommended {
        name: "BAAI/bge-base-en-v1.5",
        license: "MIT",
        parameters: 109.5,
        megabytes: 438,
        about: "twelve wide layers, eight times the work of all-MiniLM-L6-v2",
    },
];
