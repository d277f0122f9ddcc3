//! The results file of a job, as losses by step.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::LossPoint;

/// Reads `step,train_loss,train_accuracy,valid_loss,…`: columns by name, in any order; empty cells where nothing was
/// measured. The service has handed this file out encoded in base64 too, so both are read. Lines that are no such rows
/// are left out; what is no such file is an empty curve.
pub(super) fn read(file: &[u8]) -> Vec<LossPoint> {
    if let Some(curve) = plain(file) {
        return curve;
    }
    let packed: Vec<u8> = file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    // An answer in JSON has quotes around the text.
    let packed = packed.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(&packed);
    STANDARD.decode(packed).ok().and_then(|file| plain(&file)).unwrap_or_default()
}

fn plain(file: &[u8]) -> Option<Vec<LossPoint>> {
    let text = String::from_utf8_lossy(file);
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header: Vec<_> = lines.next()?.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let column = |names: &[&str]| header.iter().position(|name| names.contains(name));
    let step = column(&["step"])?;
    let train_loss = column(&["train_loss"]);
    let train_accuracy = column(&["train_accuracy", "train_mean_token_accuracy"]);
    let valid_loss = column(&["valid_loss"]);
    let valid_accuracy = column(&["valid_mean_token_accuracy", "valid_accuracy"]);
    let points = lines.filter_map(|line| {
        let cells: Vec<_> = line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
        let number =
            |column: Option<usize>| cells.get(column?)?.parse::<f64>().ok().filter(|value| value.is_finite());
        // Steps have been seen written as `1.0`.
        let step = number(Some(step)).filter(|step| (0.0..1e15).contains(step))? as u64;
        Some(LossPoint {
            step,
            train_loss: number(train_loss),
            train_accuracy: number(train_accuracy),
            valid_loss: number(valid_loss),
            valid_accuracy: number(valid_accuracy),
        })
    });
    Some(points.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_go_by_name() {
        let file =
            "\u{feff}train_loss,step,valid_loss,new\r\n0.5,1,,x\r\n0.25,2.0,0.75,\r\n\r\nnan,3\r\noops,,\r\n";
        let point =
            |step, train_loss, valid_loss| LossPoint { step, train_loss, valid_loss, ..LossPoint::default() };
        let curve = [point(1, Some(0.5), None), point(2, Some(0.25), Some(0.75)), point(3, None, None)];
        assert_eq!(read(file.as_bytes()), curve);
        let packed = STANDARD.encode(file);
        assert_eq!(read(packed.as_bytes()), curve);
        assert_eq!(read(format!("\"{packed}\"\n").as_bytes()), curve);
        assert_eq!(read(b"<html>"), []);
        assert_eq!(read(b""), []);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::vec((0u64..1_000_000, 0.0f64..50.0, prop::option::of(0.0f64..50.0)), 0..30),
            packed: bool,
        ) {
            let mut file = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n".to_owned();
            for (step, train, valid) in &rows {
                let valid = valid.map(|loss| loss.to_string()).unwrap_or_default();
                file.push_str(&format!("{step},{train},0.5,{valid},\n"));
            }
            let file = if packed { STANDARD.encode(file) } else { file };
            let found: Vec<_> = read(file.as_bytes())
                .into_iter()
                .map(|point| (point.step, point.train_loss.unwrap(), point.valid_loss))
                .collect();
            prop_assert_eq!(found, rows);
        }

        #[test]
        fn any_bytes_are_a_curve_of_numbers(file: Vec<u8>, tail in "(step|train_loss|[,\n0-9.e+-])*") {
            for file in [file, format!("step,train_loss\n{tail}").into_bytes()] {
                prop_assert!(read(&file).iter().all(|point| point.train_loss.is_none_or(f64::is_finite)));
            }
        }
    }
}
