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

/// English encoders of the BERT family. Licences and sizes are those of their pages in November 2026.
pub const RECOMMENDED: [Recommended; 5] = [
    Recommended {
        name: "sentence-transformers/paraphrase-MiniLM-L3-v2",
        license: "Apache-2.0",
        parameters: 17.4,
        megabytes: 70,
        about: "three layers: half the time of the next one, and some points worse",
    },
    Recommended {
        name: "sentence-transformers/all-MiniLM-L6-v2",
        license: "Apache-2.0",
        parameters: 22.7,
        megabytes: 91,
        about: "the one to begin with: all figures of the docs are of it",
    },
    Recommended {
        name: "BAAI/bge-small-en-v1.5",
        license: "MIT",
        parameters: 33.4,
        megabytes: 133,
        about: "twelve layers: twice the time, often better untrained",
    },
    Recommended {
        name: "thenlper/gte-small",
        license: "MIT",
        parameters: 33.4,
        megabytes: 67,
        about: "twelve layers with weights of 16 bits; reads texts of up to 512 tokens",
    },
    Recommended {
        name: "BAAI/bge-base-en-v1.5",
        license: "MIT",
        parameters: 109.5,
        megabytes: 438,
        about: "the largest that two cores train in reasonable time: seven times that of all-MiniLM-L6-v2",
    },
];
