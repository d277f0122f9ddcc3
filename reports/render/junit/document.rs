//! JUnit's XML: suites of cases, whatever they are about.
//!
//! There is no standard, only what everybody reads: Jenkins' xUnit schema (`junit-10.xsd`), which GitLab, GitHub actions
//! and Azure take too. Elements stand in the order that it asks for.

use std::fmt::Write;

/// A whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// What was tested.
    pub name: String,
    /// The suites, in order.
    pub suites: Vec<Suite>,
}

/// A group of cases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// When it began, in RFC 3339.
    pub timestamp: Option<String>,
    /// What else is known about it.
    pub properties: Vec<(String, String)>,
    /// The cases, in order.
    pub cases: Vec<Case>,
    /// Text for those who look closer.
    pub output: Option<String>,
}

/// One thing that held or did not.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The group that it is shown under, with full stops between levels.
    pub class: String,
    /// Its name, unique within the class.
    pub name: String,
    /// How long it took.
    pub seconds: Option<f64>,
    /// How it came out.
    pub status: Status,
    /// What else is known about it.
    pub properties: Vec<(String, String)>,
    /// Text for those who look closer.
    pub output: Option<String>,
}

/// How a case came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed(Reason),
    /// Nobody knows, for something went wrong.
    Error(Reason),
    /// Nobody knows, and nothing went wrong. The reason's text is not shown by all readers.
    Skipped(Reason),
}

/// Why a case did not pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// One word for its kind.
    pub kind: String,
    /// One line.
    pub message: String,
    /// The evidence, in as many lines as it takes.
    pub text: String,
}

impl Case {
    /// A case without properties, time or output.
    pub fn new(class: impl Into<String>, name: impl Into<String>, status: Status) -> Self {
        let (class, name) = (class.into(), name.into());
        Self { class, name, seconds: None, status, properties: Vec::new(), output: None }
    }
}

/// How many cases there are, and how many of them did not pass.
#[derive(Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Totals {
    fn of<'a>(cases: impl Iterator<Item = &'a Case>) -> Self {
        cases.fold(Self::default(), |mut totals, case| {
            totals.tests += 1;
            match case.status {
                Status::Passed => {}
                Status::Failed(_) => totals.failures += 1,
                Status::Error(_) => totals.errors += 1,
                Status::Skipped(_) => totals.skipped += 1,
            }
            totals
        })
    }
}

impl Document {
    /// The text of the file, in UTF-8. Characters that XML cannot hold are replaced by U+FFFD.
    pub fn to_xml(&self) -> String {
        let mut xml = Xml { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), depth: 0 };
        let Totals { tests, failures, errors, .. } =
            Totals::of(self.suites.iter().flat_map(|suite| &suite.cases));
        // No `skipped` here: the schema knows it of suites only.
        let counts = [("tests", tests), ("failures", failures), ("errors", errors)];
        let mut attributes = vec![("name", self.name.clone())];
        attributes.extend(counts.map(|(name, count)| (name, count.to_string())));
        xml.element("testsuites", &attributes, self.suites.is_empty(), |xml| {
            self.suites.iter().for_each(|suite| xml.suite(suite));
        });
        xml.text
    }
}

/// XML as it grows, indented by two spaces for each level.
struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn suite(&mut self, suite: &Suite) {
        let Totals { tests, failures, errors, skipped } = Totals::of(suite.cases.iter());
        let counts = [("tests", tests), ("failures", failures), ("errors", errors), ("skipped", skipped)];
        let mut attributes = vec![("name", suite.name.clone())];
        attributes.extend(counts.map(|(name, count)| (name, count.to_string())));
        attributes.extend(suite.timestamp.clone().map(|timestamp| ("timestamp", timestamp)));
        let empty = suite.properties.is_empty() && suite.cases.is_empty() && suite.output.is_none();
        self.element("testsuite", &attributes, empty, |xml| {
            xml.properties(&suite.properties);
            suite.cases.iter().for_each(|case| xml.case(case));
            xml.output(suite.output.as_deref());
        });
    }

    fn case(&mut self, case: &Case) {
        let mut attributes = vec![("name", case.name.clone()), ("classname", case.class.clone())];
        attributes.extend(case.seconds.map(|seconds| ("time", format!("{seconds:.3}"))));
        let empty = case.status == Status::Passed && case.properties.is_empty() && case.output.is_none();
        self.element("testcase", &attributes, empty, |xml| {
            xml.properties(&case.properties);
            match &case.status {
                Status::Passed => {}
                Status::Failed(reason) => xml.reason("failure", reason),
                Status::Error(reason) => xml.reason("error", reason),
                Status::Skipped(reason) => xml.reason("skipped", reason),
            }
            xml.output(case.output.as_deref());
        });
    }

    fn reason(&mut self, element: &str, reason: &Reason) {
        let attributes = [("type", reason.kind.clone()), ("message", reason.message.clone())];
        self.line(element, &attributes, &reason.text);
    }

    fn properties(&mut self, properties: &[(String, String)]) {
        if properties.is_empty() {
            return;
        }
        self.element("properties", &[], false, |xml| {
            for (name, value) in properties {
                xml.line("property", &[("name", name.clone()), ("value", value.clone())], "");
            }
        });
    }

    fn output(&mut self, output: Option<&str>) {
        if let Some(output) = output {
            self.line("system-out", &[], output);
        }
    }

    /// An element with elements in it.
    fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, String)],
        empty: bool,
        content: impl FnOnce(&mut Self),
    ) {
        if empty {
            return self.line(name, attributes, "");
        }
        self.start(name, attributes);
        self.text.push_str(">\n");
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.indent();
        self.text.push_str(&format!("</{name}>\n"));
    }

    /// An element with nothing but text in it.
    fn line(&mut self, name: &str, attributes: &[(&str, String)], content: &str) {
        self.start(name, attributes);
        let end = if content.is_empty() { "/>".to_owned() } else { format!(">{}</{name}>", escape(content)) };
        self.text.push_str(&end);
        self.text.push('\n');
    }

    fn start(&mut self, name: &str, attributes: &[(&str, String)]) {
        self.indent();
        self.text.push_str(&format!("<{name}"));
        for (name, value) in attributes {
            self.text.push_str(&format!(" {name}=\"{}\"", escape_attribute(value)));
        }
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }
}

/// The text as it may stand between tags. XML 1.0, section 2.2 says what a document can hold at all.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(c),
            // As itself it would be read as a line feed.
            '\r' => escaped.push_str("&#13;"),
            // C1 controls and text directions are allowed, but nothing that a log should obey.
            _ if super::super::text::is_hostile(c) => escaped.push(char::REPLACEMENT_CHARACTER),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The same for an attribute, whose line breaks and tabs would be read as spaces.
fn escape_attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            '\t' | '\n' => write!(escaped, "&#{};", u32::from(c)).expect("memory takes everything"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason() -> Reason {
        Reason { kind: "worse".into(), message: "a < b".into(), text: "line 1\nline 2".into() }
    }

    #[test]
    fn looks_as_readers_expect() {
        let mut failed = Case::new("gate", "accuracy", Status::Failed(reason()));
        failed.properties = vec![("p".into(), "0.03".into())];
        failed.output = Some("]]></system-out>".into());
        failed.seconds = Some(0.0015);
        let cases = vec![Case::new("gate", "macro F1", Status::Passed), failed];
        let suite = Suite { name: "gate".into(), cases, ..Suite::default() };
        let document = Document { name: "tunebench".into(), suites: vec![suite] };
        assert_eq!(
            document.to_xml(),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tunebench" tests="2" failures="1" errors="0">
  <testsuite name="gate" tests="2" failures="1" errors="0" skipped="0">
    <testcase name="macro F1" classname="gate"/>
    <testcase name="accuracy" classname="gate" time="0.002">
      <properties>
        <property name="p" value="0.03"/>
      </properties>
      <failure type="worse" message="a &lt; b">line 1
line 2</failure>
      <system-out>]]&gt;&lt;/system-out&gt;</system-out>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }

    fn any_status() -> impl Strategy<Value = Status> {
        let reason = ("[a-z]{1,9}", any::<String>(), any::<String>())
            .prop_map(|(kind, message, text)| Reason { kind, message, text });
        (0..4, reason).prop_map(|(which, reason)| match which {
            0 => Status::Passed,
            1 => Status::Failed(reason),
            2 => Status::Error(reason),
            _ => Status::Skipped(reason),
        })
    }

    fn any_case() -> impl Strategy<Value = Case> {
        let properties = prop::collection::vec((any::<String>(), any::<String>()), 0..3);
        (any::<String>(), any_status(), properties, prop::option::of(any::<String>())).prop_map(
            |(name, status, properties, output)| Case {
                properties,
                output,
                ..Case::new("class", name, status)
            },
        )
    }

    /// What is left of a text in XML.
    fn seen(text: &str) -> String {
        let gone = |c: char| {
            c != '\t' && c != '\n' && c != '\r' && super::super::super::text::is_hostile(c)
                || matches!(c, '\u{fffe}' | '\u{ffff}')
        };
        text.chars().map(|c| if gone(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    }

    proptest! {
        #[test]
        fn reads_back_whatever_the_texts_are(cases in prop::collection::vec(any_case(), 0..6)) {
            let suite = Suite { name: "s".into(), cases: cases.clone(), ..Suite::default() };
            let text = Document { name: "d".into(), suites: vec![suite] }.to_xml();
            let xml = roxmltree::Document::parse(&text).unwrap();
            let read: Vec<_> = xml.descendants().filter(|node| node.has_tag_name("testcase")).collect();
            prop_assert_eq!(read.len(), cases.len());
            let (mut failures, mut errors) = (0, 0);
            for (node, case) in read.iter().zip(&cases) {
                prop_assert_eq!(node.attribute("name").unwrap(), seen(&case.name));
                let child = |name: &str| node.children().find(|child| child.has_tag_name(name));
                let properties: Vec<_> = node.descendants().filter(|n| n.has_tag_name("property")).collect();
                prop_assert_eq!(properties.len(), case.properties.len());
                for (node, (name, value)) in properties.iter().zip(&case.properties) {
                    prop_assert_eq!(node.attribute("name").unwrap(), seen(name));
                    prop_assert_eq!(node.attribute("value").unwrap(), seen(value));
                }
                let output = child("system-out").map(|node| node.text().unwrap_or("").to_owned());
                prop_assert_eq!(output, case.output.as_deref().map(seen));
                let (element, reason) = match &case.status {
                    Status::Passed => continue,
                    Status::Failed(reason) => ("failure", reason),
                    Status::Error(reason) => ("error", reason),
                    Status::Skipped(reason) => ("skipped", reason),
                };
                failures += usize::from(element == "failure");
                errors += usize::from(element == "error");
                let node = child(element).unwrap();
                prop_assert_eq!(node.attribute("message").unwrap(), seen(&reason.message));
                prop_assert_eq!(node.text().unwrap_or(""), seen(&reason.text));
            }
            let root = xml.root_element();
            prop_assert_eq!(root.attribute("failures").unwrap(), failures.to_string());
            prop_assert_eq!(root.attribute("errors").unwrap(), errors.to_string());
        }
    }
}
