//! The provider keeps the contract, and its program evaluates it beside the built-in models.

use std::process::Command;

use tunebench_providers::test_kit::Contract;
use tunebench_providers::{Hyperparameters, Setup};

#[tokio::test]
async fn keeps_the_contract() {
    let provider = acme_provider::kind().create(&Setup::default()).unwrap();
    Contract::new(provider.as_ref(), "keywords").check().await.assert_kept();
}

#[test]
fn a_wrong_setting_is_an_error() {
    let settings: Hyperparameters = [("otherwize".to_owned(), "x".into())].into_iter().collect();
    let error = acme_provider::kind().create(&Setup::new("acme", settings, "")).err().unwrap();
    assert_eq!(error.setting.as_deref(), Some("otherwize"));
}

fn acme(folder: &tempfile::TempDir, config: &str) -> (Option<i32>, String, String) {
    let rows = "text,label\nWhere is my card\t?,card\nI want a refund,refund\nHello there,card\n";
    std::fs::write(folder.path().join("test.csv"), rows).unwrap();
    std::fs::write(folder.path().join("tunebench.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_acme")).arg("eval").current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn its_models_stand_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[data]\ntest = \"test.csv\"\n[providers.acme]\notherwise = \"what?\"\n\
                  [[model]]\nbase = \"acme/keywords\"\n[[model]]\nbase = \"local/lexical\"\n";
    let (code, stdout, stderr) = acme(&folder, config);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("acme/keywords") && stdout.contains("local/lexical"), "{stdout}");
    let predictions = folder.path().join("results/predictions/acme-keywords.csv");
    let predictions = std::fs::read_to_string(predictions).unwrap();
    let outcomes: Vec<_> = predictions.lines().skip(1).map(|line| line.split(',').nth(3).unwrap()).collect();
    assert_eq!(outcomes, ["correct", "correct", "invalid"]);
}

#[test]
fn its_settings_are_checked_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[data]\ntest = \"test.csv\"\n[providers.acme]\notherwize = \"x\"\n[[model]]\nbase = \"acme/keywords\"\n";
    let (code, _, stderr) = acme(&folder, config);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("line 4: unknown setting `otherwize`"), "{stderr}");
    assert!(stderr.contains("did you mean `otherwise`?"), "{stderr}");
}
