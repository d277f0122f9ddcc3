//! The services that take batches, one like the other: each has a fake that goes wrong on demand, and the program must get
//! through with all of them.

use std::process::Command;

use tunebench_fakes::anthropic::FakeAnthropic;
use tunebench_fakes::google::FakeGoogle;
use tunebench_fakes::openai::{BatchScript, Failing, FakeOpenAi, Fault, Stats};

use crate::support::{Outcome, Place, without_times};

const KEY: &str = "sk-test-batch-7d1f";

/// A project that is asked at the fake of a service, with a test set of some rows.
pub(crate) struct Project {
    pub(crate) place: Place,
    fake: Fake,
    pub(crate) service: &'static Service,
}

enum Fake {
    OpenAi(FakeOpenAi),
    Anthropic(FakeAnthropic),
    Google(FakeGoogle),
}

/// The steps of the road, as a service meets them: what a request holds, and how the fake counts it.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    model: &'static str,
    pub(crate) list: Call,
    pub(crate) live: Call,
    /// None where requests go along with the order.
    pub(crate) upload: Option<Call>,
    pub(crate) create: Call,
    pub(crate) look: Call,
    pub(crate) results: Call,
    pub(crate) clean_up: Call,
    /// Whether a batch that ran out of time has what it had answered.
    keeps_expired: bool,
}

/// A text that a request holds, and its name in the counts.
pub(crate) type Call = (&'static str, &'static str);

pub(crate) static OPENAI: Service = Service {
    name: "openai",
    model: "openai/gpt-4.1-mini-2025-04-14",
    list: ("GET /v1/batches", "GET /v1/batches"),
    live: ("POST /v1/chat/completions", "POST /v1/chat/completions"),
    upload: Some(("POST /v1/files", "POST /v1/files")),
    create: ("POST /v1/batches", "POST /v1/batches"),
    look: ("GET /v1/batches/batch", "GET /v1/batches/{id}"),
    results: ("/content", "GET /v1/files/{id}/content"),
    clean_up: ("DELETE /v1/files", "DELETE /v1/files/{id}"),
    keeps_expired: true,
};

pub(crate) static TOGETHER: Service = Service {
    name: "together",
    model: "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    list: ("GET /together/v1/batches", "GET /together/v1/batches"),
    live: ("POST /together/v1/chat/completions", "POST /together/v1/chat/completions"),
    upload: Some(("PUT /together/uploads", "PUT /together/uploads/{id}")),
    create: ("POST /together/v1/batches", "POST /together/v1/batches"),
    look: ("GET /together/v1/batches/batch", "GET /together/v1/batches/{id}"),
    results: ("/content", "GET /together/v1/files/{id}/content"),
    clean_up: ("DELETE /together/v1/files", "DELETE /together/v1/files/{id}"),
    keeps_expired: true,
};

pub(crate) static ANTHROPIC: Service = Service {
    name: "anthropic",
    model: "anthropic/claude-haiku-5-5",
    list: ("GET /v1/messages/batches", "GET /v1/messages/batches"),
    live: ("POST /v1/messages", "POST /v1/messages"),
    upload: None,
    create: ("POST /v1/messages/batches", "POST /v1/messages/batches"),
    look: ("GET /v1/messages/batches/msgbatch", "GET /v1/messages/batches/{id}"),
    results: ("/results", "GET /v1/messages/batches/{id}/results"),
    clean_up: ("DELETE /v1/messages/batches", "DELETE /v1/messages/batches/{id}"),
    keeps_expired: true,
};

pub(crate) static GEMINI: Service = Service {
    name: "gemini",
    model: "gemini/gemini-3.5-flash-lite",
    list: ("GET /generativelanguage/v1beta/batches", "GET /generativelanguage/v1beta/batches"),
    live: (":generateContent", "POST /generativelanguage/v1beta/models/{id}:generateContent"),
    upload: Some((
        "POST /generativelanguage/upload/v1beta/files",
        "POST /generativelanguage/upload/v1beta/files",
    )),
    create: (":batchGenerateContent", "POST /generativelanguage/v1beta/models/{id}:batchGenerateContent"),
    look: ("GET /generativelanguage/v1beta/batches/fake", "GET /generativelanguage/v1beta/batches/{id}"),
    results: (":download", "GET /generativelanguage/v1beta/files/{id}:download"),
    clean_up: ("DELETE /generativelanguage/v1beta/files", "DELETE /generativelanguage/v1beta/files/{id}"),
    keeps_expired: false,
};

pub(crate) static VERTEX: Service = Service {
    name: "vertex",
    model: "vertex/gemini-3.5-flash-lite",
    list: (
        "GET /aiplatform/global/v1/projects/fake-project/locations/global/batchPredictionJobs",
        "GET /aiplatform/{location}/v1/projects/{id}/locations/global/batchPredictionJobs",
    ),
    live: (
        ":generateContent",
        "POST /aiplatform/{location}/v1/projects/{id}/locations/global/publishers/google/models/{id}:generateContent",
    ),
    upload: Some(("POST /upload/storage", "POST /upload/storage/v1/b/{id}/o")),
    create: (
        "POST /aiplatform/global/v1/projects/fake-project/locations/global/batchPredictionJobs",
        "POST /aiplatform/{location}/v1/projects/{id}/locations/global/batchPredictionJobs",
    ),
    look: (
        "locations/global/batchPredictionJobs/7",
        "GET /aiplatform/{location}/v1/projects/{id}/locations/global/batchPredictionJobs/{id}",
    ),
    results: ("GET /storage/v1/b/fake-bucket/o/tunebench", "GET /storage/v1/b/{id}/o/{id}"),
    clean_up: ("DELETE /storage", "DELETE /storage/v1/b/{id}/o/{id}"),
    keeps_expired: true,
};

pub(crate) static ALL: [&Service; 5] = [&OPENAI, &TOGETHER, &ANTHROPIC, &GEMINI, &VERTEX];

macro_rules! fake {
    ($project:expr, $fake:ident => $what:expr) => {
        match &$project.fake {
            Fake::OpenAi($fake) => $what,
            Fake::Anthropic($fake) => $what,
            Fake::Google($fake) => $what,
        }
    };
}

impl Service {
    /// A project with so many rows, which is asked in batches and looked after often.
    pub(crate) fn project(&'static self, rows: usize, batch: &str) -> Project {
        let (fake, settings) = match self.name {
            "openai" => {
                let fake = FakeOpenAi::builder().key(KEY).start().unwrap();
                let settings = format!("base_url = \"{}\"\nbatch = true\n", fake.base_url());
                (Fake::OpenAi(fake), settings)
            }
            "together" => {
                let fake = FakeOpenAi::builder()
                    .key(KEY)
                    .model("meta-llama/Llama-3.3-70B-Instruct-Turbo", None)
                    .start()
                    .unwrap();
                let settings =
                    format!("base_url = \"{}\"\napi_key_env = \"OPENAI_API_KEY\"\n", fake.together_url());
                (Fake::OpenAi(fake), settings)
            }
            "anthropic" => {
                let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
                let settings = format!("base_url = \"{}\"\n", fake.base_url());
                (Fake::Anthropic(fake), settings)
            }
            name => {
                let fake = FakeGoogle::builder().api_key(KEY).start().unwrap();
                let settings = match name {
                    "gemini" => format!("base_url = \"{}\"\n", fake.gemini_url()),
                    _ => format!(
                        "base_url = \"{}\"\nstorage_url = \"{}\"\nbucket = \"gs://fake-bucket\"\n",
                        fake.vertex_url(),
                        fake.storage_url()
                    ),
                };
                (Fake::Google(fake), settings)
            }
        };
        let place = Place::with_models(&format!(
            "[providers.{}]\n{settings}[[model]]\nbase = \"{}\"\n[batch]\npoll_seconds = 0.01\n{batch}",
            self.name, self.model
        ));
        let labels = ["card", "rate", "refund"];
        let rows = (0..rows).map(|i| format!("is my {} number {i} there,{}\n", labels[i % 3], labels[i % 3]));
        place.write("test.csv", format!("text,label\n{}", rows.collect::<String>()));
        if let Fake::Google(fake) = &fake {
            let login = "home/.config/gcloud/application_default_credentials.json";
            place.write(login, fake.authorized_user().to_string());
        }
        Project { place, fake, service: self }
    }
}

impl Project {
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.env("HOME", self.place.path("home"));
        for variable in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
            command.env(variable, KEY);
        }
        command
    }

    pub(crate) fn tunebench(&self, args: &[&str]) -> Outcome {
        self.place.outcome(&mut self.command(args))
    }

    pub(crate) fn batch(&self) -> Outcome {
        self.tunebench(&["eval", "--yes", "--batch"])
    }

    pub(crate) fn live(&self) -> Outcome {
        self.tunebench(&["eval", "--yes"])
    }

    pub(crate) fn script(&self, script: BatchScript) {
        fake!(self, fake => fake.script_batches(script));
    }

    pub(crate) fn fail(&self, failing: Failing) {
        fake!(self, fake => fake.fail(failing));
    }

    pub(crate) fn heal(&self) {
        fake!(self, fake => fake.heal());
    }

    pub(crate) fn stats(&self) -> Stats {
        fake!(self, fake => fake.stats())
    }

    /// How often a call has come.
    pub(crate) fn met(&self, call: Call) -> u64 {
        self.stats().count(call.1)
    }

    /// Rows that batches have answered.
    pub(crate) fn batch_rows(&self) -> u64 {
        fake!(self, fake => fake.batch_rows())
    }

    /// How many batches were made.
    pub(crate) fn batches(&self) -> usize {
        match &self.fake {
            Fake::Anthropic(fake) => fake.batches_made(),
            Fake::OpenAi(fake) => fake.batches().len(),
            Fake::Google(fake) => fake.batches().len(),
        }
    }

    /// What lies at the service and is of no use any more.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        match &self.fake {
            Fake::OpenAi(fake) => fake.files(),
            Fake::Anthropic(fake) => fake.batches(),
            Fake::Google(fake) => fake.files().into_iter().chain(fake.objects()).collect(),
        }
    }

    /// Rows that are correct, and rows that are unanswered.
    pub(crate) fn outcomes(&self) -> [usize; 2] {
        let file = self.service.model.replace('/', "-");
        let rows = self.place.csv(&format!("results/predictions/{file}.csv"));
        ["correct", "unanswered"].map(|outcome| rows.iter().filter(|row| row["outcome"] == outcome).count())
    }

    /// The files of results, without times and addresses.
    fn results(&self) -> std::collections::BTreeMap<String, Vec<String>> {
        let here = fake!(self, fake => fake.address().to_string());
        let mut files = without_times(self.place.files("results"));
        files.values_mut().flatten().for_each(|line| *line = line.replace(&here, "HERE"));
        files
    }
}

#[test]
fn a_batch_brings_what_live_requests_bring() {
    for service in ALL {
        let live = service.project(12, "");
        let done = live.live();
        assert_eq!(done.code, Some(0), "{}: {}", service.name, done.stderr);
        let batched = service.project(12, "");
        let done = batched.batch();
        assert_eq!(done.code, Some(0), "{}: {}", service.name, done.stderr);
        // One row is asked live, to see that the model can be asked.
        let asked = (batched.met(service.live), batched.batch_rows(), batched.stats().duplicates);
        assert_eq!(asked, (1, 11, 0), "{}", service.name);
        assert_eq!(batched.left_behind(), Vec::<String>::new(), "{}: files stay behind", service.name);
        assert!(live.results().len() > 4);
        assert_eq!(live.results(), batched.results(), "{}", service.name);
    }
}

#[test]
fn every_end_brings_what_there_is_and_the_rest_is_asked_by_the_next_command() {
    for service in ALL {
        for (end, answered) in [("expired", 7), ("cancelled", 3), ("failed", 2), ("failed", 0)] {
            let project = service.project(12, "");
            project.script(BatchScript::ending(end, answered));
            let done = project.batch();
            let brought = if end == "expired" && !service.keeps_expired { 0 } else { answered };
            let outcomes = (done.code, project.outcomes());
            let told = format!("{} {end}: {}", service.name, done.stderr);
            assert_eq!(outcomes, (Some(3), [brought + 1, 11 - brought]), "{told}");
            // Live, if that is wanted.
            let live = project.live();
            assert_eq!((live.code, project.outcomes()), (Some(0), [12, 0]), "{told}: {}", live.stderr);
            assert_eq!(project.met(service.live), 12 - brought as u64, "{told}");
            assert_eq!(project.left_behind(), Vec::<String>::new(), "{told}");
        }
    }
}

#[test]
fn lines_in_any_order_twice_unknown_or_cut_count_once() {
    for service in ALL {
        let project = service.project(12, "");
        let mut script = BatchScript::default();
        (script.unkind, script.failing, script.late_files) = (true, 4, 2);
        script.odd_state = Some("paused".to_owned());
        project.script(script);
        let done = project.batch();
        let told = format!("{}: {}", service.name, done.stderr);
        assert_eq!((done.code, project.outcomes()), (Some(3), [10, 2]), "{told}");
        for odd in
            ["1 line that can't be read", "1 line about rows that are not", "1 line about rows that had been"]
        {
            assert!(done.stderr.contains(odd), "{odd}: {told}");
        }
        assert!(done.stderr.contains("2 rows failed, the first one: "), "{told}");
        assert!(done.stderr.contains("Too long"), "{told}");
    }
}

#[test]
fn rows_that_are_refused_as_a_whole_are_told_why_and_cost_nothing() {
    for service in ALL {
        let project = service.project(12, "");
        let mut script = BatchScript::default();
        script.refused = Some("The schema is not one.".to_owned());
        project.script(script);
        let done = project.batch();
        let told = format!("{}: {}", service.name, done.stderr);
        assert_eq!((done.code, project.outcomes()), (Some(3), [1, 11]), "{told}");
        assert!(
            done.stderr.contains("11 rows failed") && done.stderr.contains("The schema is not one"),
            "{told}"
        );
        assert_eq!((project.batch_rows(), project.left_behind()), (0, Vec::new()), "{told}");
        project.script(BatchScript::default());
        let again = project.batch();
        assert_eq!((again.code, project.outcomes()), (Some(0), [12, 0]), "{told}: {}", again.stderr);
    }
}

#[test]
fn a_file_of_answers_that_breaks_off_is_read_on() {
    for service in ALL {
        let project = service.project(60, "");
        project.fail(Failing::new(Fault::Cut).on(service.results.0).times(3));
        let done = project.batch();
        let told = format!("{}: {}", service.name, done.stderr);
        assert_eq!((done.code, project.outcomes()), (Some(0), [60, 0]), "{told}");
        assert_eq!(project.batch_rows(), 59, "{told}");
        assert!(!done.stderr.contains("had been"), "no line is read twice: {told}");
    }
}

#[test]
fn answers_that_are_gone_are_told_and_asked_again() {
    for service in ALL {
        let project = service.project(6, "");
        let mut script = BatchScript::default();
        script.gone = true;
        project.script(script);
        let done = project.batch();
        assert_eq!((done.code, project.outcomes()), (Some(3), [1, 5]), "{}: {}", service.name, done.stderr);
        project.script(BatchScript::default());
        let again = project.batch();
        assert_eq!((again.code, project.outcomes()), (Some(0), [6, 0]), "{}: {}", service.name, again.stderr);
    }
}

#[test]
fn a_lost_answer_to_the_order_makes_no_second_batch() {
    for service in ALL {
        let project = service.project(12, "");
        project.fail(Failing::new(Fault::Reset).on(service.create.0).times(1).after_work());
        let done = project.batch();
        let told = format!("{}: {}", service.name, done.stderr);
        assert_eq!((done.code, project.outcomes()), (Some(0), [12, 0]), "{told}");
        assert_eq!((project.batches(), project.batch_rows()), (1, 11), "{told}");
        // A server that fails and says so has made none, and is asked again.
        let failing = service.project(12, "");
        failing.fail(Failing::new(Fault::Status(503)).on(service.create.0).times(2));
        let done = failing.batch();
        assert_eq!((done.code, failing.batches()), (Some(0), 1), "{}: {}", service.name, done.stderr);
    }
}

#[test]
fn a_full_queue_is_waited_for() {
    for service in ALL {
        let project = service.project(12, "rows = 4\n");
        let mut script = BatchScript::default();
        script.queue_full = 2;
        project.script(script);
        let done = project.batch();
        let told = format!("{}: {}", service.name, done.stderr);
        assert_eq!((done.code, project.outcomes()), (Some(0), [12, 0]), "{told}");
        assert_eq!(project.batch_rows(), 11, "{told}");
    }
}

#[test]
fn a_batch_that_is_cancelled_keeps_what_it_has() {
    for service in ALL {
        let project = service.project(12, "");
        let mut script = BatchScript::ending("completed", 4);
        script.looks = 6;
        project.script(script);
        let sent = project.tunebench(&["eval", "--yes", "--batch", "--no-wait"]);
        assert_eq!(sent.code, Some(0), "{}: {}", service.name, sent.stderr);
        let list = project.tunebench(&["batches", "list", "--json"]);
        let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
        let id = list[0]["id"].as_str().unwrap();
        let cancelled = project.tunebench(&["batches", "cancel", &format!("{}/{id}", service.name)]);
        assert_eq!(cancelled.code, Some(0), "{}: {}", service.name, cancelled.stderr);
        let watched = project.tunebench(&["batches", "watch"]);
        let told = format!("{}: {}", service.name, watched.stderr);
        assert!(watched.stderr.contains("was cancelled: 4 rows answered, 7 "), "{told}");
        assert_eq!(project.batch_rows(), 4, "{told}");
    }
}

#[test]
fn a_machine_without_the_ledger_finds_the_batch_at_the_provider() {
    for service in ALL {
        let project = service.project(12, "");
        assert_eq!(project.tunebench(&["eval", "--yes", "--batch", "--no-wait"]).code, Some(0));
        std::fs::remove_dir_all(project.place.path(".tunebench")).unwrap();
        let done = project.batch();
        let told = format!("{}: {}", service.name, done.stderr);
        assert!(done.stderr.contains("resuming batch"), "{told}");
        assert_eq!((project.batch_rows(), project.batches()), (11, 1), "{told}");
        // The row that had been asked live was not in it.
        assert_eq!((done.code, project.outcomes()), (Some(3), [11, 1]), "{told}");
        let again = project.batch();
        assert_eq!((again.code, project.outcomes(), project.batches()), (Some(0), [12, 0], 1), "{told}");
    }
}

#[test]
fn a_batch_without_a_mark_is_known_by_its_rows() {
    // The order is worked on though its answer is lost, or it is refused for now.
    for made in [true, false] {
        let project = ANTHROPIC.project(12, "");
        // Somebody else has as many rows in a batch of the same workspace.
        let config = project.place.read("tunebench.toml");
        let other = format!("{config}\n[prompt]\ninstruction = \"Sort it.\"\n");
        project.place.write("tunebench.toml", other);
        let there = ["eval", "--yes", "--batch", "--no-wait", "--state", "elsewhere"];
        assert_eq!(project.tunebench(&there).code, Some(0));
        project.place.write("tunebench.toml", config);

        let fault = if made { Fault::Reset } else { Fault::Status(503) };
        project.fail(Failing::new(fault).on(ANTHROPIC.create.0).times(1));
        let done = project.batch();
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!(project.outcomes(), [12, 0], "{made}: {}", done.stderr);
        assert_eq!((project.batches(), project.batch_rows()), (2, 22), "{made}: {}", done.stderr);
        assert_eq!(project.left_behind(), ["msgbatch_00000001"], "what is not ours stays as it is");
    }
}
